"""Choose the scales to show of a degradation: few where its images hardly change, many where they do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from degflow_aug.degradations.base import Degradation

AT_ONCE = 8


def candidate_scales(low: float, high: float, count: int) -> list[float]:
    """``count`` scales from ``low`` to ``high``, evenly spaced in log s, with four significant digits."""
    spaced = np.geomspace(low, high, count)
    return sorted({float(f"{scale:.4g}") for scale in spaced[1:-1]} | {low, high})


@torch.no_grad()
def view_changes(
    degradation: Degradation, hr: Tensor, scales: Sequence[float], report: Callable[[int], None] = lambda done: None
) -> list[float]:
    """Mean absolute difference, in gray levels, between the views of ``hr`` (1, 3, H, W) at neighbouring ``scales``.

    ``AT_ONCE`` views at a time are in memory, made from one encoding.

    Args:
        report: called with the number of scales that are done.

    Returns:
        One number less than there are scales.
    """
    changes: list[float] = []
    before: Tensor | None = None
    for first in range(0, len(scales), AT_ONCE):
        for done, view in enumerate(degradation.render_scales(hr, scales[first : first + AT_ONCE]), first + 1):
            if before is not None:
                changes.append(float((view - before).abs().mean()) * 255)
            before = view
            report(done)
    return changes


def evenly_changing(
    scales: Sequence[float], changes: Sequence[float], count: int, always: Sequence[float] = ()
) -> list[float]:
    """``count`` of the rising ``scales`` between which images change by like amounts, with those of ``always``.

    Scale i + 1 lies ``changes[i]`` further along than scale i; the longest way between two chosen scales is halved
    until there are enough, so that no way is more than about twice as long as another.

    Args:
        always: scales that stand whatever changes there; they count among ``count`` as long as it suffices for them.

    Raises:
        ValueError: a number of changes that does not belong to the scales, or fewer than two scales asked for.
    """
    if len(changes) != len(scales) - 1:
        raise ValueError(f"expected a change between each two of {len(scales)} scales, got {len(changes)}")
    if count < 2:
        raise ValueError(f"expected at least 2 scales to be asked for, got {count}")
    # A little for every step: an image that does not change is still shown along its whole range.
    steps = np.maximum(np.asarray(changes, dtype=np.float64), 1e-3 * (max(changes) or 1.0))
    way = np.concatenate([[0.0], np.cumsum(steps)])
    chosen = {0, len(scales) - 1, *(list(scales).index(scale) for scale in always)}
    while len(chosen) < min(count, len(scales)):
        chosen.add(_inside_widest(way, sorted(chosen)))
    return [scales[place] for place in sorted(chosen)]


def _inside_widest(way: np.ndarray, chosen: Sequence[int]) -> int:
    """The place nearest to the middle of the longest way between two chosen ones that have a place between them."""
    gaps = [(way[last] - way[first], first, last) for first, last in pairwise(chosen) if last - first > 1]
    _, first, last = max(gaps)
    middle = (way[first] + way[last]) / 2
    return first + 1 + int(np.abs(way[first + 1 : last] - middle).argmin())
