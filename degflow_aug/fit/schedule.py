"""How long training lasts, and how fast it learns on the way."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Budget:
    """How long a stage trains: a number of iterations, or seconds of work where ``iterations`` is 0.

    Under seconds the schedule follows the clock, so that a slow machine trains less and not longer.
    """

    iterations: int = 0
    seconds: float = 0.0

    def progress(self, iteration: int, elapsed: float) -> float:
        """Share of the budget that is used, in [0, 1]."""
        used = iteration / self.iterations if self.iterations else elapsed / max(self.seconds, 1e-9)
        return min(used, 1.0)

    @property
    def step(self) -> float:
        """Share of the budget that one iteration takes; 0 where it is seconds."""
        return 1 / self.iterations if self.iterations else 0.0


@dataclass(frozen=True)
class Schedule:
    """Learning rate: linear warm-up over a share of the budget, then a cosine from ``peak`` to ``floor``.

    Attributes:
        peak, floor: the highest and the last rate.
        warmup: share of the budget.
        recursive: the warm-up alone decides on the rate as long as it lasts, and the cosine goes on from ``peak`` at
            its end, as torch's recursive one does in the official code; else the cosine is multiplied by the warm-up.
    """

    peak: float
    floor: float
    warmup: float
    recursive: bool = False

    def rate(self, progress: float, step: float = 0.0) -> float:
        """Learning rate of an iteration at a progress in [0, 1] that takes the share ``step`` of the budget."""
        if self.recursive and progress + step <= self.warmup:
            return self.peak * (progress + step) / self.warmup
        left = _left(progress) / (_left(max(self.warmup - step, 0.0)) if self.recursive else 1.0)
        cosine = self.floor + (self.peak - self.floor) * left
        return cosine if self.recursive or not self.warmup else cosine * min(1.0, progress / self.warmup)


def _left(progress: float) -> float:
    """What a cosine from 1 to 0 has left."""
    return (1 + math.cos(math.pi * progress)) / 2
