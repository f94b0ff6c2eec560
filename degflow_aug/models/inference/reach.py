"""How far a network looks: the LR pixels around a place that its answer there depends on."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from copy import deepcopy

import torch
from torch import Tensor, nn

_THIN, _SHORT = 8, 128
"""Pixels of the strips that are looked at, where the network does not ask for more: no convolution minds the border."""


def reach_of(
    network: nn.Module, enlarge: Callable[[nn.Module, Tensor], Tensor], multiple: int, limit: int
) -> int | None:
    """Measure how far from a pixel of LR its colour counts, up to ``limit`` pixels, whatever the weights are.

    A block of NaN in the middle of a strip comes out as NaN wherever a network looks at it, also by weights of zero. It
    does so where PyTorch convolves by products of matrices: faster ways (Winograd's) spread it further. Places
    that an image itself chooses, as deformable convolutions do, are not found so.

    Args:
        network: its weights do not matter; it is copied to the CPU.
        enlarge: what the network makes of LR (1, 3, h, w): (1, 3, h f, w f) with a whole number f.
        multiple: what the sides of LR have to be a multiple of; the network may answer otherwise at every pixel of a
            block of that side.
        limit: the most that is of interest.

    Returns:
        The reach, a multiple of ``multiple``; None if it is above ``limit`` or cannot be told.
    """
    copy = deepcopy(network).cpu()
    thin, enough = (multiple * math.ceil(side / multiple) for side in (_THIN, 2 * limit + 3 * multiple))
    for side in sorted({min(multiple * math.ceil(_SHORT / multiple), enough), enough}):
        try:
            with warnings.catch_warnings():
                # Of a flag for Intel's GPUs, which is set along with this one.
                warnings.simplefilter("ignore")
                with torch.backends.mkldnn.flags(enabled=False):
                    found = max(_along(copy, enlarge, multiple, side, thin, axis) for axis in (-2, -1))
        except (RuntimeError, TypeError, ValueError):
            # A network that minds its size.
            return None
        if found < side // 2 - multiple:
            return found if found <= limit else None
    return None


@torch.no_grad()
def _along(
    network: nn.Module, enlarge: Callable[[nn.Module, Tensor], Tensor], multiple: int, side: int, thin: int, axis: int
) -> int:
    """Pixels between the block of NaN and the furthest one that it has changed, along one axis of a strip."""
    shape = [1, 3, thin, thin]
    shape[axis] = side
    strip = torch.full(shape, 0.5)
    start = side // 2 // multiple * multiple
    strip.narrow(axis, start, multiple).fill_(math.nan)
    made = enlarge(network, strip)
    factor = made.shape[axis] // side
    changed = made.isnan().any(dim=1)[0].any(dim=-1 if axis == -2 else -2).nonzero().flatten()
    if not len(changed):
        raise ValueError(f"expected NaN to pass through the network, got none of it from {type(network).__name__}")
    before = start - int(changed[0]) // factor
    behind = int(changed[-1]) // factor - (start + multiple - 1)
    return multiple * math.ceil(max(before, behind, 0) / multiple)
