"""Metrics by scale: their means, as a table and as the JSON file of a validation."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from degflow_aug.files.writing import atomic_path

Label = TypeVar("Label", int, str, int | str)


class ScaleTable:
    """Collects the metrics of images at several scales. A metric that is NaN for an image is left out of its means.

    Args:
        metrics: their names, the columns.
        camera_means: those whose mean at a scale is that of the cameras' means, and not of all images.
    """

    def __init__(self, metrics: Iterable[str], camera_means: Container[str] = ()) -> None:
        self.metrics, self.camera_means = list(metrics), camera_means
        self.images: Counter[float] = Counter()
        # By camera.
        self._values: dict[tuple[float, str], dict[str, list[float]]] = {}

    def add(self, scale: float, values: Mapping[str, float], camera: str = "") -> None:
        """Take in the metrics of one image."""
        self.images[scale] += 1
        for metric, value in values.items():
            if not math.isnan(value):
                self._values.setdefault((scale, metric), {}).setdefault(camera, []).append(value)

    def count(self, scale: float, metric: str) -> int:
        """How many images the mean of a metric at a scale is of."""
        return sum(map(len, self._values.get((scale, metric), {}).values()))

    def _mean_at(self, scale: float, metric: str) -> float:
        cameras = self._values.get((scale, metric), {}).values()
        return _mean([_mean(each) for each in cameras] if metric in self.camera_means else list(chain(*cameras)))

    def by_scale(self) -> dict[float, dict[str, float]]:
        """scale -> metric -> mean over the images at that scale; NaN where no image has a value."""
        return {
            scale: {metric: self._mean_at(scale, metric) for metric in self.metrics} for scale in sorted(self.images)
        }

    def overall(self) -> dict[str, float]:
        """metric -> mean over the scales, each of which counts alike."""
        rows = self.by_scale().values()
        return {metric: _mean([row[metric] for row in rows if not math.isnan(row[metric])]) for metric in self.metrics}

    def format(self, best: Mapping[str, tuple[float, int]] | None = None) -> str:
        """The table as aligned text: one row per scale, their mean, and ``best`` (value, iteration) of that mean.

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


def iteration_label(opt: dict[str, Any], current_iter: Label) -> Label:
    """The iteration of a validation: BasicSR's one after the last iteration counts one too many. Other labels stay."""
    total = (opt.get("train") or {}).get("total_iter")
    return min(current_iter, total) if isinstance(current_iter, int) and total else current_iter


def results_folder(opt: dict[str, Any]) -> Path:
    """Where the results of this run lie."""
    path = opt["path"]
    return Path(path.get("experiments_root") or path["results_root"]) / "validation"


def write_results(folder: Path, dataset: str, table: ScaleTable, label: int | str) -> None:
    """Write ``DATASET_LABEL.json``, whole or not at all; ``label`` is the iteration in training."""
    file = folder / f"{dataset}_{label}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    content = {"dataset": dataset, "iter": label, **table.plain()}
    with atomic_path(file) as partial:
        partial.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def finite(values: Mapping[str, float]) -> dict[str, float | None]:
    """The values with None for those that are not finite."""
    return {name: value if math.isfinite(value) else None for name, value in values.items()}


def _reached(value: float, iteration: int) -> str:
    """BasicSR's records begin at iteration -1, which has no value yet."""
    return "-" if iteration == -1 else f"{value:.4f} @ {iteration}"


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan
