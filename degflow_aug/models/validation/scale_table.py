"""Metrics by scale: their means, as a table and as plain values for a JSON file."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


class ScaleTable:
    """Collects the metrics of images at several scales. A metric that is NaN for an image is left out of its means.

    Args:
        metrics: their names, the columns.
    """

    def __init__(self, metrics: Iterable[str]) -> None:
        self.metrics = list(metrics)
        self.images: Counter[float] = Counter()
        self._values: dict[tuple[float, str], list[float]] = {}

    def add(self, scale: float, values: Mapping[str, float]) -> None:
        """Take in the metrics of one image."""
        self.images[scale] += 1
        for metric, value in values.items():
            if not math.isnan(value):
                self._values.setdefault((scale, metric), []).append(value)

    def count(self, scale: float, metric: str) -> int:
        """How many images the mean of a metric at a scale is of."""
        return len(self._values.get((scale, metric), ()))

    def by_scale(self) -> dict[float, dict[str, float]]:
        """scale -> metric -> mean over the images at that scale; NaN where no image has a value."""
        return {
            scale: {metric: _mean(self._values.get((scale, metric), ())) for metric in self.metrics}
            for scale in sorted(self.images)
        }

    def overall(self) -> dict[str, float]:
        """metric -> mean over the scales, each of which counts alike."""
        rows = self.by_scale().values()
        return {metric: _mean([row[metric] for row in rows if not math.isnan(row[metric])]) for metric in self.metrics}

    def format(self, best: Mapping[str, tuple[float, int]] | None = None) -> str:
        """The table as aligned text: a row a scale, their mean, and ``best`` (value, iteration) of that mean.

        A mean of fewer images than the row has is followed by their number in parentheses.
        """
        rows = [["scale", "images", *self.metrics]]
        for scale, means in self.by_scale().items():
            cells = [self._cell(scale, metric, mean) for metric, mean in means.items()]
            rows.append([f"x{scale:g}", str(self.images[scale]), *cells])
        rows.append(["mean", "", *(f"{value:.4f}" for value in self.overall().values())])
        if best:
            rows.append(["best", "", *(_reached(*best[metric]) for metric in self.metrics)])
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines = ("  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows)
        return "\n".join(f"  {line}".rstrip() for line in lines)

    def plain(self) -> dict[str, Any]:
        """Means and the number of images behind each, for JSON, which has neither NaN nor infinity: those are null."""
        return {
            "scales": {f"{scale:g}": finite(means) for scale, means in self.by_scale().items()},
            "mean": finite(self.overall()),
            "images": {f"{scale:g}": count for scale, count in sorted(self.images.items())},
            "counted": {
                f"{scale:g}": {metric: self.count(scale, metric) for metric in self.metrics}
                for scale in sorted(self.images)
            },
        }

    def _cell(self, scale: float, metric: str, mean: float) -> str:
        count = self.count(scale, metric)
        return f"{mean:.4f}" + (f" ({count})" if 0 < count < self.images[scale] else "")


def finite(values: Mapping[str, float]) -> dict[str, float | None]:
    """The values with None for those that are not finite."""
    return {name: value if math.isfinite(value) else None for name, value in values.items()}


def _reached(value: float, iteration: int) -> str:
    """BasicSR's records begin at iteration -1, which has no value yet."""
    return "-" if iteration == -1 else f"{value:.4f} @ {iteration}"


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan
