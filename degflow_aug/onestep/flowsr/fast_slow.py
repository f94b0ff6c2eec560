"""Pairs of times for consistency (FlowSR): one from a few fast steps, the other from many slow ones.

The exact law is unpublished; this one is our inference from the figure and the README, which name both grids.
"""

from __future__ import annotations

import torch
from torch import Tensor


def draw_fast_slow(
    batch: int, generator: torch.Generator | None = None, fast: int = 4, slow: int = 1000
) -> tuple[Tensor, Tensor]:
    """Times 0 <= t < t' <= 1 on the CPU, (B,) in float64 each.

    With even chances t' is on the fast grid and t anywhere below it on the slow one, or t' is on the slow grid and t
    the nearest fast time strictly below it.

    Args:
        batch: how many pairs.
        generator: where to draw from; torch's own state by default.
        fast: steps of the fast grid.
        slow: steps of the slow grid, a multiple of ``fast``.

    Raises:
        ValueError: grids that do not fit.
    """
    if fast < 1 or slow % fast:
        raise ValueError(f"expected a slow grid of a multiple of {fast} steps, got {slow}")
    later = torch.randint(1, fast + 1, (batch,), generator=generator) * (slow // fast)
    below = (torch.rand(batch, generator=generator, dtype=torch.float64) * later).long().clamp(max=slow - 1)
    below = torch.minimum(below, later - 1)
    swapped_later = torch.randint(1, slow + 1, (batch,), generator=generator)
    swapped_below = (swapped_later - 1) // (slow // fast) * (slow // fast)
    swap = torch.rand(batch, generator=generator) < 0.5
    return (
        torch.where(swap, swapped_below, below).double() / slow,
        torch.where(swap, swapped_later, later).double() / slow,
    )
