"""Overlapping chunks of images: networks that know one size look at larger images piece by piece (OMGSR)."""

from __future__ import annotations

import torch
from torch import Tensor


def chunk_starts(size: int, chunk: int) -> list[int]:
    """First pixels of ceil(size / chunk) chunks, spread evenly from border to border; [0] where one is enough.

    The published rule leaves the last strip of some sizes out, 768 for one, and divides by zero below a chunk; this
    one has the same grids for 512 and 1024.

    Raises:
        ValueError: sizes below one pixel.
    """
    if min(size, chunk) < 1:
        raise ValueError(f"expected sizes of at least a pixel, got an image of {size} and a chunk of {chunk}")
    count = -(-size // chunk)
    if count == 1:
        return [0]
    return [round(number * (size - chunk) / (count - 1)) for number in range(count)]


def chunks(images: Tensor, chunk: int) -> Tensor:
    """(B, C, H, W) -> (N B, C, min(H, chunk), min(W, chunk)), chunk by chunk; every pixel is in one at least."""
    height, width = (min(side, chunk) for side in images.shape[-2:])
    return torch.cat(
        [
            images[..., top : top + height, left : left + width]
            for top in chunk_starts(images.shape[-2], chunk)
            for left in chunk_starts(images.shape[-1], chunk)
        ]
    )
