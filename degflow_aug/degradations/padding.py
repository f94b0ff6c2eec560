"""Mirror padding of images of any size: margins for kernels, and the multiple that a network wants."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def reflect_indices(positions: Tensor, size: int) -> Tensor:
    """Fold integer ``positions`` into [0, size - 1] by reflection about the first and last pixel, repeated."""
    if size == 1:
        return torch.zeros_like(positions)
    period = 2 * (size - 1)
    folded = positions.remainder(period)
    return torch.minimum(folded, period - folded)


def reflect_pad(image: Tensor, margin: int) -> Tensor:
    """Pad (B, C, H, W) by ``margin`` pixels on every side; unlike ``F.pad`` the margin may exceed the image."""
    if margin == 0:
        return image
    height, width = image.shape[-2:]
    if margin < min(height, width):
        return F.pad(image, (margin, margin, margin, margin), mode="reflect")
    rows = reflect_indices(torch.arange(-margin, height + margin, device=image.device), height)
    columns = reflect_indices(torch.arange(-margin, width + margin, device=image.device), width)
    return image.index_select(-2, rows).index_select(-1, columns)


def pad_to_multiple(image: Tensor, multiple: int) -> Tensor:
    """Mirror (B, C, H, W) at its bottom and right until both sides are multiples of ``multiple``."""
    for axis in (-2, -1):
        size = image.shape[axis]
        padded = -(-size // multiple) * multiple
        if padded > size:
            image = image.index_select(axis, reflect_indices(torch.arange(padded, device=image.device), size))
    return image
