"""What the numbers mean to the eye: detailed crops of real views beside those of every method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from degflow_aug.commands.shared.contact_sheet import write_contact_sheet
from degflow_aug.data.tensors import to_array

SIDE, ZOOM = 72, 2
SCENES, SCALES = 4, 3


class Strips:
    """Gathers crops while scenes pass: a row for each of the first scenes and of a few scales, a column per method.

    Args:
        scales: all that occur; three of them are shown.
    """

    def __init__(self, scales: Sequence[float]) -> None:
        step = max(1, -(-len(scales) // SCALES))
        self.scales = sorted(scales)[::-1][::step]
        self.rows: dict[str, dict[str, np.ndarray]] = {}
        self._scenes: list[str] = []

    def add(self, scene: str, scale: float, hr: Tensor, real: Tensor, views: Mapping[str, Tensor]) -> None:
        """Keep the same crop of all these images (1, 3, H, W) in [0, 1], if the scene and the scale are to be shown."""
        if scene not in self._scenes:
            self._scenes.append(scene)
        if scale in self.scales and self._scenes.index(scene) < SCENES:
            top, left = busiest(hr, SIDE)
            shown = {"real": real, "HR": hr, **views}
            self.rows[f"{scene} x{scale:g}"] = {name: _crop(image, top, left) for name, image in shown.items()}

    def write(self, path: Path) -> None:
        """Write the sheet; a method without a view at some scale leaves its place there blank."""
        columns = list(dict.fromkeys(name for row in self.rows.values() for name in row))
        blank = np.full_like(next(iter(next(iter(self.rows.values())).values())), 255)
        write_contact_sheet(
            path, {title: {name: row.get(name, blank) for name in columns} for title, row in self.rows.items()}
        )


def busiest(image: Tensor, side: int) -> tuple[int, int]:
    """(top, left) of the square of (1, 3, H, W) where neighbouring pixels differ most, on a grid of half squares."""
    side = min(side, *image.shape[-2:])
    gray = image.mean(1, keepdim=True)
    change = (gray[..., 1:, :-1] - gray[..., :-1, :-1]).abs() + (gray[..., :-1, 1:] - gray[..., :-1, :-1]).abs()
    step = max(1, side // 2)
    means = F.avg_pool2d(change, side - 1, step)
    place = int(means.argmax())
    return place // means.shape[-1] * step, place % means.shape[-1] * step


def _crop(image: Tensor, top: int, left: int) -> np.ndarray:
    array = to_array(image[0, :, top : top + SIDE, left : left + SIDE])
    return np.ascontiguousarray(array.repeat(ZOOM, 0).repeat(ZOOM, 1))
