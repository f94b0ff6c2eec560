"""An image in windows that fit into memory: equal to the whole where the margin is what a network sees, else blended.

Windows overlap by twice the margin. Where a network looks no further than that, each gives the pixels of its core, and
nothing differs from the image in one piece but the rounding of floats. Otherwise neighbours are faded into each other
over half of the overlap, and the rest, where a window lacks what lies beyond it, is left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from degflow_aug.console.progress import track


@dataclass(frozen=True)
class Span:
    """One window along an axis, in LR pixels.

    Attributes:
        start, end: of what the network sees.
        core: first pixel and end of what is its own.
    """

    start: int
    end: int
    core: tuple[int, int]


@dataclass(frozen=True)
class Tiles:
    """Windows of at most ``side`` LR pixels.

    Attributes:
        side: of a window.
        margin: what it sees beyond its core on each side, where the image goes on.
        multiple: what starts of windows are multiples of, as are side and margin.
        exact: the network sees no further than the margin.
    """

    side: int
    margin: int
    multiple: int
    exact: bool

    def spans(self, size: int) -> list[Span]:
        """The windows of an axis of ``size`` pixels, their cores as equal as can be."""
        if size <= self.side:
            return [Span(0, size, (0, size))]
        count = math.ceil(size / (self.side - 2 * self.margin))
        core = self.multiple * math.ceil(size / count / self.multiple)
        starts = range(0, size, core)
        return [
            Span(max(0, start - self.margin), min(size, end + self.margin), (start, end))
            for start, end in ((start, min(size, start + core)) for start in starts)
        ]

    def weights(self, span: Span, size: int, length: int) -> Tensor:
        """How much of each of the ``length`` result pixels along an axis of ``size`` LR pixels is the window's."""
        place = (torch.arange(length, dtype=torch.float64) + 0.5) * size / length
        first, end = span.core
        if self.exact:
            return ((place >= first) & (place < end)).float()
        rise = (place - first) / self.margin + 0.5 if first > 0 else torch.ones_like(place)
        fall = (end - place) / self.margin + 0.5 if end < size else torch.ones_like(place)
        return (rise.clamp(0, 1) * fall.clamp(0, 1)).float()


Render = Callable[[Span, Span, slice, slice], Tensor]


def map_windows(
    render: Render, lr: tuple[int, int], size: tuple[int, int], tiles: Tiles, shown: bool = False
) -> Tensor:
    """Put an image together from its windows.

    Args:
        render: makes the result (3, rows, columns) of a window, given by its rows and columns in LR, at these rows and
            columns of the whole result.
        lr: (height, width) of LR.
        size: (height, width) of the result.
        tiles: how it is divided.
        shown: show the progress.

    Returns:
        (3, *size) in float32 on the CPU.
    """
    result = torch.zeros(3, *size)
    rows, columns = (
        [(span, tiles.weights(span, length, made)) for span in tiles.spans(length)]
        for length, made in zip(lr, size, strict=True)
    )
    windows = list(product(rows, columns))
    for (row, height), (column, width) in track(windows, "tiles", "tile", shown=shown):
        down, across = _support(height), _support(width)
        part = render(row, column, down, across).float().cpu()
        result[:, down, across] += part * height[down, None] * width[across]
    return result


def _support(weights: Tensor) -> slice:
    """Where weights are not zero; they are so in one piece, and somewhere wherever scales are 1 or more."""
    inside = weights.nonzero().flatten()
    return slice(int(inside[0]), int(inside[-1]) + 1)
