"""Images as arrays and tensors: conversion, antialiased bicubic resizing (a = -0.5), rounding, flips and rotations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from degflow_aug.data.layouts.common_part import PairSize

_CUBIC = -0.5
Turn = Callable[[np.ndarray], np.ndarray]


def to_tensor(image: np.ndarray) -> Tensor:
    """(H, W, 3) in uint8 or uint16 -> (3, H, W) in float32, [0, 1]."""
    peak = np.iinfo(image.dtype).max
    return torch.from_numpy(image.transpose(2, 0, 1).astype(np.float32, order="C")).div_(peak)


def to_array(image: Tensor, dtype: Any = np.uint8) -> np.ndarray:
    """(3, H, W) in [0, 1] -> (H, W, 3) in uint8 or uint16, rounded; values outside [0, 1] are clipped.

    Raises:
        ValueError: another shape, or values that are not finite.
    """
    if image.ndim != 3 or image.shape[0] != 3:
        raise ValueError(f"expected an image (3, H, W), got {tuple(image.shape)}")
    pixels = image.detach().float().cpu()
    if not bool(torch.isfinite(pixels).all()):
        raise ValueError("expected an image with values in [0, 1], got NaN or infinity; look where they arise")
    levels = pixels.clamp(0, 1).mul(np.iinfo(dtype).max).round().to(torch.uint8 if dtype == np.uint8 else torch.int32)
    return levels.permute(1, 2, 0).contiguous().numpy().astype(dtype, copy=False)


def resize_frame(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize a whole image (H, W, 3), uint8 or uint16, to float32 (*size, 3) in [0, peak of its type]."""
    if image.shape[:2] == size:
        return image.astype(np.float32)
    pixels = torch.from_numpy(image.transpose(2, 0, 1).astype(np.float32, order="C"))[None]
    resized = F.interpolate(pixels, size=size, mode="bicubic", antialias=True, align_corners=False)[0]
    return resized.clamp_(0, np.iinfo(image.dtype).max).permute(1, 2, 0).numpy()


def bring_to_grid(image: np.ndarray, size: tuple[int, int], part: PairSize | None = None) -> np.ndarray:
    """Bring an image (H, W, 3), uint8 or uint16, to the top left (*size, 3) of the HR grid, in its type.

    Args:
        image: HR, a view, or LR of a size of its own.
        size: (height, width), at most that of HR.
        part: what LR shows; None for HR itself.
    """
    if part is not None and not part.is_view:
        image = round_to(resize_frame(image[: part.lr[0], : part.lr[1]], part.hr), image.dtype)
    return image[: size[0], : size[1]]


def resize_window(
    image: np.ndarray, start: tuple[int, int], sides: tuple[int, int], size: tuple[int, int]
) -> np.ndarray:
    """Resize a window of an image (H, W, 3) to float32 (*size, 3) in [0, peak of its type].

    Pixels around the window take part as far as the filter reaches and the image goes, so that the result is part of
    what resizing the whole image by the same factor gives, border included.

    Args:
        image: uint8 or uint16.
        start: (top, left) of the window.
        sides: its (height, width), within the image.
        size: (height, width) of the result.
    """
    (first_row, rows), (first_column, columns) = (
        _weights(begin, side, length, frame)
        for begin, side, length, frame in zip(start, sides, size, image.shape[:2], strict=True)
    )
    context = image[first_row : first_row + rows.shape[1], first_column : first_column + columns.shape[1]]
    pixels = torch.from_numpy(context.transpose(2, 0, 1).astype(np.float32, order="C"))
    resized = torch.from_numpy(rows) @ pixels @ torch.from_numpy(columns).T
    return resized.clamp_(0, np.iinfo(image.dtype).max).permute(1, 2, 0).numpy()


def round_to(pixels: np.ndarray, dtype: np.dtype[np.unsignedinteger] | type[np.unsignedinteger]) -> np.ndarray:
    """Round values in [0, peak of ``dtype``] to that type, in one piece of memory."""
    return np.rint(pixels).astype(dtype, order="C")


def to_8_bits(image: np.ndarray) -> np.ndarray:
    """Round uint16 to the nearest of 256 levels; uint8 stays as it is."""
    return image if image.dtype == np.uint8 else ((image.astype(np.uint32) + 128) // 257).astype(np.uint8)


def draw_turn(rng: np.random.Generator, *, flip: bool, rotate: bool) -> Turn:
    """Draw a map of arrays (P, P, C): its result is a view of them.

    Args:
        rng: three numbers are drawn whatever the flags are.
        flip: mirror half of the patches left to right.
        rotate: mirror half of them top to bottom, and swap the axes of half.
    """
    mirror, turn, swap = (bool(draw < 0.5) for draw in rng.random(3))

    def apply(patch: np.ndarray) -> np.ndarray:
        if flip and mirror:
            patch = patch[:, ::-1]
        if rotate and turn:
            patch = patch[::-1]
        return patch.transpose(1, 0, 2) if rotate and swap else patch

    return apply


def _weights(start: int, side: int, length: int, frame: int) -> tuple[int, np.ndarray]:
    """Filter of one axis: its first input pixel, and weights (length, inputs) that add up to 1 in each row.

    Output pixel i lies at start + (i + 1/2) side / length; where the frame ends, the filter is cut off.
    """
    factor = side / length
    stretch = max(factor, 1.0)
    centres = start + (np.arange(length) + 0.5) * factor
    lowest = np.maximum((centres - 2 * stretch + 0.5).astype(int), 0)
    highest = np.minimum((centres + 2 * stretch + 0.5).astype(int), frame)
    inputs = np.arange(lowest[0], highest[-1])
    weights = _cubic((inputs + 0.5 - centres[:, None]) / stretch)
    weights[(inputs < lowest[:, None]) | (inputs >= highest[:, None])] = 0
    weights /= weights.sum(axis=1, keepdims=True)
    return int(lowest[0]), weights.astype(np.float32)


def _cubic(distance: np.ndarray) -> np.ndarray:
    """Keys' piecewise cubic: 1 at 0, 0 at every other whole number, 0 from 2 on."""
    x = np.abs(distance)
    near = ((_CUBIC + 2) * x - (_CUBIC + 3)) * x**2 + 1
    far = _CUBIC * (((x - 5) * x + 8) * x - 4)
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))
