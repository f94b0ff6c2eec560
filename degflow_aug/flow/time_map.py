"""The map from scales to times."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

from torch import Tensor

Value = TypeVar("Value", float, Tensor)


@dataclass(frozen=True)
class TimeMap:
    """t = (s - 1) / (s_max - 1), DegFlow's scale map: 0 at the HR image, 1 at the largest trained scale.

    Floats and tensors alike.

    Args:
        s_max: the scale at t = 1.
        between: times of scales in between, both rising, through which the map is piecewise linear: the official code
            trains x2 at sigmoid(-0.693) and not at 1/3.

    Raises:
        ValueError: ``s_max`` is not a finite number above 1.
    """

    s_max: float = 4.0
    between: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        if not (math.isfinite(self.s_max) and self.s_max > 1):
            raise ValueError(f"expected s_max to be a finite scale above 1, got {self.s_max}; set it to the last knot")

    @property
    def _points(self) -> tuple[tuple[float, float], ...]:
        return ((1.0, 0.0), *self.between, (self.s_max, 1.0))

    def time(self, scale: Value) -> Value:
        """Time in [0, 1] of a scale in [1, s_max]."""
        return interpolate(scale, self._points) if self.between else (scale - 1) / (self.s_max - 1)

    def scale(self, time: Value) -> Value:
        """Scale in [1, s_max] of a time in [0, 1]."""
        if self.between:
            return interpolate(time, [(t, s) for s, t in self._points])
        return 1 + time * (self.s_max - 1)


def interpolate(x: Value, points: Sequence[tuple[float, float]]) -> Value:
    """The piecewise linear function through ``points``; its last piece goes on."""
    total: Value = x * 0 + points[0][1]
    for index, ((left, low), (right, high)) in enumerate(pairwise(points), 2):
        width = right - left if index < len(points) else math.inf
        part = (x - left).clamp(0, width) if isinstance(x, Tensor) else min(max(x - left, 0.0), width)
        total = total + part * ((high - low) / (right - left))
    return total
