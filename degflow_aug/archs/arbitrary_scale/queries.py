"""Which HR pixels an arbitrary-scale network is asked for in training, and their colours."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Queries(NamedTuple):
    """Coordinates and cells as LIIF defines them, relative to each sample's own HR square, and the colours there.

    Attributes:
        coord: (B, Q, 2) as (row, column) in [-1, 1].
        cell: (B, Q, 2), the size of an HR pixel.
        colours: (B, Q, 3) in [0, 1].
    """

    coord: Tensor
    cell: Tensor
    colours: Tensor


def scattered_queries(gt: Tensor, sides: Tensor, count: int) -> Queries:
    """Draw pixels evenly, with repetition, from the top-left square of every sample.

    Args:
        gt: HR (B, 3, P, P) in [0, 1].
        sides: (B,) on the device of ``gt``, sides of the squares in pixels, at most P.
        count: Q.

    Raises:
        ValueError: no such HR, sides or count; sides on an accelerator are trusted.
    """
    if not isinstance(gt, Tensor) or gt.ndim != 4 or not gt.is_floating_point():
        got = f"{gt.dtype} {tuple(gt.shape)}" if isinstance(gt, Tensor) else type(gt).__name__
        raise ValueError(f"expected HR as a float tensor (B, 3, P, P) in [0, 1], got {got}")
    if not isinstance(sides, Tensor) or sides.shape != gt.shape[:1]:
        got = str(tuple(sides.shape)) if isinstance(sides, Tensor) else type(sides).__name__
        raise ValueError(f"expected sides as a tensor ({len(gt)},), one for each HR image, got {got}")
    if sides.device.type == "cpu" and not bool(((sides >= 1) & (sides <= min(gt.shape[-2:]))).all()):
        raise ValueError(f"expected sides from 1 to {min(gt.shape[-2:])} HR pixels, got {sides.tolist()}")
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise ValueError(f"expected a whole number of queries of at least 1, got {count!r}")
    sides = sides.view(-1, 1, 1)
    draws = torch.rand(gt.shape[0], count, 2, device=gt.device)
    return _ask(gt, (draws * sides).long().minimum(sides.long() - 1), sides)


def window_queries(gt: Tensor, sides: Tensor, window: int) -> Queries:
    """Draw a window evenly from every sample's square: all its ``window`` x ``window`` pixels, row by row."""
    sides = sides.view(-1, 1, 1)
    places = (sides - window + 1).long()
    start = (torch.rand(gt.shape[0], 1, 2, device=gt.device) * places).long().minimum(places - 1)
    steps = torch.arange(window, device=gt.device)
    offsets = torch.stack(torch.meshgrid(steps, steps, indexing="ij"), dim=-1).reshape(-1, 2)
    return _ask(gt, start + offsets, sides)


def _ask(gt: Tensor, pixels: Tensor, sides: Tensor) -> Queries:
    """``pixels``: (B, Q, 2) as (row, column)."""
    index = pixels[..., 0] * gt.shape[-1] + pixels[..., 1]
    colours = gt.flatten(2).gather(2, index[:, None].expand(-1, gt.shape[1], -1)).transpose(1, 2)
    return Queries((2 * pixels + 1) / sides - 1, (2 / sides).expand(pixels.shape), colours)
