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


@dataclass(frozen=True)
class Schedule:
    """Learning rate: linear warm-up over a share of the budget, then a cosine from ``peak`` to ``floor``."""

    peak: float
    floor: float
    warmup: float

    def rate(self, progress: float) -> float:
        """Learning rate at a progress in [0, 1]."""
        cosine = self.floor + (self.peak - self.floor) * (1 + math.cos(math.pi * progress)) / 2
        return cosine * min(1.0, progress / self.warmup) if self.warmup else cosine
