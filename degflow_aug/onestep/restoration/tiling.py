"""Maps over images too large for one pass: overlapping tiles, weighted so that none of them has an edge.

Weights are exp(-(i - c)^2 / (2 0.01 n^2)) on each axis of a tile of n cells, c = (n - 1) / 2 [official code of OMGSR,
whose vertical centre is half a pixel off]; predictions and weights are added up, and divided once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor

Map = Callable[[Tensor], Tensor]
_VARIANCE = 0.01


@dataclass(frozen=True)
class Tiling:
    """Tiles of ``side`` cells that overlap by ``overlap``.

    Raises:
        ValueError: an overlap that leaves no step.
    """

    side: int
    overlap: int

    def __post_init__(self) -> None:
        if not 0 <= self.overlap < self.side:
            raise ValueError(f"expected an overlap from 0 to below the tile of {self.side}, got {self.overlap}")

    def covers(self, tensor: Tensor) -> bool:
        """Whether one tile holds all of (B, C, H, W)."""
        return max(tensor.shape[-2:]) <= self.side

    def starts(self, size: int) -> list[int]:
        """First cells of the tiles of an axis; the last tile is moved back to the border."""
        if size <= self.side:
            return [0]
        step = self.side - self.overlap
        return [*range(0, size - self.side, step), size - self.side]


def gaussian_weights(height: int, width: int, like: Tensor) -> Tensor:
    """(height, width) weights of a tile, 1 in its middle."""
    rows, columns = (_gaussian(size, like) for size in (height, width))
    return torch.outer(rows, columns)


def _gaussian(size: int, like: Tensor) -> Tensor:
    offsets = torch.arange(size, device=like.device, dtype=torch.float32) - (size - 1) / 2
    return torch.exp(-offsets.square() / (2 * _VARIANCE * size**2))


def map_tiles(function: Map, tensor: Tensor, tiling: Tiling) -> Tensor:
    """``function`` of (B, C, H, W), tile by tile where it is larger than a tile.

    Args:
        function: maps (B, C, h, w) to (B, C', h f, w f) with any fixed f; autoencoders have 8 or 1/8.
        tensor: its input.
        tiling: sides and overlap, multiples of what ``function`` divides by.
    """
    if tiling.covers(tensor):
        return function(tensor)
    total: Tensor | None = None
    for top, left, height, width in _places(tensor, tiling):
        made = function(tensor[..., top : top + height, left : left + width]).float()
        factor = Fraction(made.shape[-1], width)
        if total is None:
            size = [int(side * factor) for side in tensor.shape[-2:]]
            total = made.new_zeros(*made.shape[:2], *size)
            share = made.new_zeros(*size)
        weights = gaussian_weights(made.shape[-2], made.shape[-1], made)
        rows = slice(int(top * factor), int(top * factor) + made.shape[-2])
        columns = slice(int(left * factor), int(left * factor) + made.shape[-1])
        total[..., rows, columns] += made * weights
        share[rows, columns] += weights
    assert total is not None
    return total / share


def _places(tensor: Tensor, tiling: Tiling) -> Iterator[tuple[int, int, int, int]]:
    """Top, left, height and width of every tile."""
    height, width = tensor.shape[-2:]
    for top in tiling.starts(height):
        for left in tiling.starts(width):
            yield top, left, min(tiling.side, height), min(tiling.side, width)
