"""What the metrics of the downstream benchmark say: means over seeds, shares of a gain, differences beyond seeds."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from benchmarks.downstream.kinds import BICUBIC, TRUE_PAIRS

Results = Mapping[str, Sequence[Mapping[str, Mapping[str, float]]]]


class Spread(NamedTuple):
    """Mean over seeds, and half the difference between the highest and the lowest."""

    mean: float
    half: float


class Scores:
    """Metrics by kind of LR, seed and scale.

    Args:
        results: kind -> seed -> scale -> metric -> value; ``psnr`` and ``ssim`` of Y.

    Raises:
        ValueError: there are none, or not the same scales and as many seeds of each kind.
    """

    def __init__(self, results: Results) -> None:
        shapes = {(len(runs), *sorted(run)) for runs in results.values() for run in runs}
        if len(shapes) != 1 or not all(results.values()):
            raise ValueError(f"expected results of each kind for the same seeds and scales, got {sorted(shapes)}")
        self.results = results
        self.kinds = list(results)
        self.seeds = len(next(iter(results.values())))
        self.scales = sorted(next(iter(results.values()))[0], key=float)

    def spread(self, kind: str, scale: str, metric: str = "psnr") -> Spread:
        """Mean and half spread of a metric."""
        values = [run[scale][metric] for run in self.results[kind]]
        return Spread(statistics.mean(values), (max(values) - min(values)) / 2)

    def compare(self, kind: str, other: str, scale: str) -> str:
        """``>`` or ``<`` where the mean Y-PSNR differ by more than the sum of both half spreads, ``=`` where not.

        With one seed there is no spread, and the answer is ``?``.
        """
        if self.seeds < 2:
            return "?"
        one, two = self.spread(kind, scale), self.spread(other, scale)
        difference = one.mean - two.mean
        if abs(difference) <= one.half + two.half:
            return "="
        return ">" if difference > 0 else "<"

    def share(self, kind: str, scale: str) -> float | None:
        """(kind - bicubic) / (true pairs - bicubic) in mean Y-PSNR.

        None where the true pairs gain nothing that seeds do not explain, or where one of the two was not trained on.
        """
        if not {BICUBIC, TRUE_PAIRS} <= set(self.kinds):
            return None
        low, high = (self.spread(each, scale).mean for each in (BICUBIC, TRUE_PAIRS))
        if high <= low or self.compare(TRUE_PAIRS, BICUBIC, scale) == "=":
            return None
        return (self.spread(kind, scale).mean - low) / (high - low)
