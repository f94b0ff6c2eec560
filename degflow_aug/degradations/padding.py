"""Mirror padding of images of any size, 1 pixel included, to the multiple a network wants."""

from __future__ import annotations

import torch
from torch import Tensor


def mirror_indices(size: int, padded: int, device: torch.device) -> Tensor:
    """Indices (padded,) that continue 0 .. size-1 by reflection without repeating the edge, as often as needed."""
    period = max(2 * (size - 1), 1)
    position = torch.arange(padded, device=device) % period
    return torch.where(position < size, position, period - position)


def pad_to_multiple(image: Tensor, multiple: int) -> Tensor:
    """Mirror (B, C, H, W) at its bottom and right until both sides are multiples of ``multiple``."""
    height, width = image.shape[-2:]
    padded_height, padded_width = (-(-side // multiple) * multiple for side in (height, width))
    if padded_height > height:
        image = image.index_select(-2, mirror_indices(height, padded_height, image.device))
    if padded_width > width:
        image = image.index_select(-1, mirror_indices(width, padded_width, image.device))
    return image
