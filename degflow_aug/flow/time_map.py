"""The map from scales to times."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeVar

from torch import Tensor

Value = TypeVar("Value", float, Tensor)


@dataclass(frozen=True)
class TimeMap:
    """t = (s - 1) / (s_max - 1), DegFlow's scale map: 0 at the HR image, 1 at the largest trained scale.

    Floats and tensors alike.

    Raises:
        ValueError: ``s_max`` is not a finite number above 1.
    """

    s_max: float = 4.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.s_max) and self.s_max > 1):
            raise ValueError(f"expected s_max to be a finite scale above 1, got {self.s_max}; set it to the last knot")

    def time(self, scale: Value) -> Value:
        """Time in [0, 1] of a scale in [1, s_max]."""
        return (scale - 1) / (self.s_max - 1)

    def scale(self, time: Value) -> Value:
        """Scale in [1, s_max] of a time in [0, 1]."""
        return 1 + time * (self.s_max - 1)
