"""The window of an image that a preview shows, and what the camera took there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from degflow_aug.data.tensors import to_tensor
from degflow_aug.degradations.grid import to_lr_grid
from degflow_aug.files.image_file import read_image


def place_window(hr: np.ndarray, side: int, place: tuple[int, int] | None) -> tuple[int, int]:
    """Return top and left of a window: at ``place`` (left, top), or where neighbours differ most.

    Args:
        hr: (H, W, 3).
        side: of the window, in pixels.
        place: as asked for, or None.

    Raises:
        ValueError: a place where the window is not inside the image.
    """
    height, width = hr.shape[:2]
    if place is not None:
        left, top = place
        if left + side > width or top + side > height:
            raise ValueError(
                f"expected a window of {side} pixels inside the image of {width}x{height}, got it at {left},{top}; "
                "move --window or lower --side"
            )
        return top, left
    gray = hr.astype(np.float32).mean(2)
    detail = np.zeros_like(gray)
    detail[:-1] += np.square(np.diff(gray, axis=0))
    detail[:, :-1] += np.square(np.diff(gray, axis=1))
    sums = np.pad(detail, ((1, 0), (1, 0))).cumsum(0, dtype=np.float64).cumsum(1)
    inside = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    return divmod(int(inside.argmax()), inside.shape[1])


def read_real_lr(path: Path, shape: Sequence[int], cut: tuple[slice, slice], scale: float) -> Tensor:
    """Read real LR (1, 3, h, w) of the window ``cut`` out of a file on the HR grid of ``shape``.

    Raises:
        ValueError: no image, or one of another size.
    """
    view = read_image(path)
    if view.shape[:2] != tuple(shape[:2]):
        raise ValueError(
            f"{path}: expected real LR brought to the HR grid, {shape[1]}x{shape[0]} as the image, got "
            f"{view.shape[1]}x{view.shape[0]}; align it first"
        )
    return to_lr_grid(to_tensor(np.ascontiguousarray(view[cut]))[None], scale)
