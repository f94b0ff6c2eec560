"""Values by scene, scale and seed as means with their spread, as tables and as a figure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.realism.methods import DRAWN
from benchmarks.realism.metrics import Metric
from benchmarks.shared.plot import Axis, Panel, write_panels
from benchmarks.shared.results import markdown_table

Row = dict[str, Any]
"""method, seed, camera, scene, scale, and a value for each metric."""
BEST = "best seed"


class Cell(NamedTuple):
    """Mean over seeds of the means over scenes, and half of what the seeds differ by; no spread of one seed."""

    mean: float
    spread: float | None


Summary = dict[str, dict[str, dict[float, Cell]]]
"""By metric, method and scale."""


def summarise(rows: Sequence[Row], metrics: Sequence[Metric]) -> Summary:
    """Means of all rows; Real-ESRGAN and BSRGAN also at their best seed, chosen anew for every metric and scale."""
    values: dict[tuple[str, str, float], dict[int, list[float]]] = {}
    for row in rows:
        for metric in metrics:
            seeds = values.setdefault((metric.key, row["method"], row["scale"]), {})
            seeds.setdefault(row["seed"], []).append(row[metric.key])
    summary: Summary = {metric.key: {} for metric in metrics}
    best = {metric.key: max if metric.higher_is_better else min for metric in metrics}
    for (key, method, scale), seeds in values.items():
        means = [_mean(scenes) for scenes in seeds.values()]
        summary[key].setdefault(method, {})[scale] = _cell(means)
        if method in DRAWN and len(means) > 1:
            summary[key].setdefault(f"{method}, {BEST}", {})[scale] = Cell(best[key](means), None)
    return summary


def _mean(values: Sequence[float]) -> float:
    """Mean of the defined values; nan where there is none."""
    defined = [value for value in values if not math.isnan(value)]
    return statistics.fmean(defined) if defined else math.nan


def _cell(means: Sequence[float]) -> Cell:
    spread = (max(means) - min(means)) / 2 if len(means) > 1 and all(map(math.isfinite, means)) else None
    return Cell(_mean(means), spread)


def as_json(summary: Summary) -> dict[str, Any]:
    """The summary with scales as text, and null for what is not finite."""
    return {
        key: {
            method: {f"{scale:g}": {"mean": finite(cell.mean), "spread": cell.spread} for scale, cell in cells.items()}
            for method, cells in methods.items()
        }
        for key, methods in summary.items()
    }


def finite(value: Any) -> Any:
    """``value``, or none in place of nan and infinity, which JSON lacks."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def tables(summary: Summary, metrics: Sequence[Metric]) -> str:
    """Lay out a table per metric with a column per scale; of a single scale one table with a column per metric."""
    scales = _scales(summary)
    methods = list(next(iter(summary.values())))
    if len(scales) == 1:
        head = [f"x{scales[0]:g}", *(_title(metric) for metric in metrics)]
        cells = [[method, *(_text(summary, metric, method, scales[0]) for metric in metrics)] for method in methods]
        return markdown_table(head, cells)
    blocks = []
    for metric in metrics:
        head = [_title(metric), *(f"x{scale:g}" for scale in scales)]
        cells = [[method, *(_text(summary, metric, method, scale) for scale in scales)] for method in methods]
        blocks.append(markdown_table(head, cells))
    return "\n\n".join(blocks)


def _scales(summary: Summary) -> list[float]:
    return sorted({scale for methods in summary.values() for cells in methods.values() for scale in cells})


def _title(metric: Metric) -> str:
    return f"{metric.title} {'↑' if metric.higher_is_better else '↓'}"


def _text(summary: Summary, metric: Metric, method: str, scale: float) -> str:
    cell = summary[metric.key].get(method, {}).get(scale)
    if cell is None or math.isnan(cell.mean):
        return "-"
    spread = "" if cell.spread is None else f" ± {cell.spread:.{metric.digits}f}"
    return f"{cell.mean:.{metric.digits}f}{spread}"


def plot(path: Path, title: str, summary: Summary, metrics: Sequence[Metric]) -> None:
    """A panel a metric against s, bars for the spread; of a single scale, the methods side by side.

    A logarithmic axis has no place for a distance of 0, which is left out.
    """
    scales = _scales(summary)
    methods = list(next(iter(summary.values())))
    x = Axis("scale", marks=tuple(scales)) if len(scales) > 1 else Axis(f"methods at x{scales[0]:g}", marks=(-1.0,))
    panels = []
    for metric in metrics:
        series = {}
        for number, method in enumerate(methods):
            cells = {scale: _plotted(metric, cell) for scale, cell in summary[metric.key].get(method, {}).items()}
            series[method] = [
                (scale if len(scales) > 1 else float(number), cell.mean, cell.spread or 0.0)
                for scale, cell in cells.items()
                if math.isfinite(cell.mean) and (cell.mean > 0 or not _is_logarithmic(metric))
            ]
        panels.append(Panel(series, Axis(_axis_title(metric), _is_logarithmic(metric))))
    write_panels(path, title, panels, x)


def _is_logarithmic(metric: Metric) -> bool:
    """All but PSNR, a logarithm already: else nothing but Real-ESRGAN could be told from the rest."""
    return metric.key != "psnr_y"


def _plotted(metric: Metric, cell: Cell) -> Cell:
    """What is drawn: of SSIM what it lacks of 1."""
    return Cell(1 - cell.mean, cell.spread) if metric.key == "ssim_y" else cell


def _axis_title(metric: Metric) -> str:
    if metric.key == "ssim_y":
        return "1 - Y-SSIM (lower is better)"
    return f"{metric.title} ({'higher' if metric.higher_is_better else 'lower'} is better)"
