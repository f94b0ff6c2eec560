"""What a report says of a bundle that was compared with real views."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from degflow_aug.evaluation.realism_rows import REALISM_HEAD, REALISM_LEGEND, RealismRow, realism_cells, reasons
from degflow_aug.evaluation.rows import ORACLE, label
from degflow_aug.files.run_history import versions
from degflow_aug.pages.report_content import Chart, Report, Series, Strip, Table

if TYPE_CHECKING:
    from degflow_aug.evaluation.samples import Sample

FEWEST_SCALES = 3
LEGEND = "Y-PSNR in dB / Y-SSIM against the real views, full frames rounded to 8 bits; bold: the best"


def evaluation_report(
    title: str,
    rows: Sequence[Mapping[str, Any]],
    samples: Sequence[Sample],
    facts: Mapping[str, str],
    oracle: bool = False,
    realism: Sequence[RealismRow] = (),
) -> Report:
    """Report ``degflow evaluate``, or a fit without networks; with the oracle's row where asked for."""
    rows = shown_rows(rows, oracle)
    scales = sorted({float(row["scale"]) for row in rows})
    at = ", ".join(f"x{scale:g}" for scale in scales)
    cameras = list(dict.fromkeys(str(row["camera"]) for row in rows))
    known = {**facts, "versions": ", ".join(f"{name} {version}" for name, version in versions().items())}
    return Report(
        title=title,
        subtitle=f"views at {at} of {', '.join(cameras)} against real ones" if rows else "not compared with real views",
        facts=known,
        charts=rows_charts(rows),
        tables=[*rows_tables(rows), *_realism_tables(realism)],
        strips=[Strip(sample.title, sample.pixels, sample.columns) for sample in samples],
    )


def shown_rows(rows: Sequence[Mapping[str, Any]], oracle: bool) -> list[Mapping[str, Any]]:
    """Return the rows that a page shows: all, or all but those of the oracle."""
    return [row for row in rows if oracle or row["method"] != ORACLE]


def rows_tables(rows: Sequence[Mapping[str, Any]]) -> list[Table]:
    """Make a table per camera: a row per method, a column per scale.

    Args:
        rows: with ``method``, ``camera``, ``scale``, ``psnr_y``, ``ssim_y`` and ``scenes``, as ``--json`` prints them:
            null where a value is infinite.
    """
    cameras = dict.fromkeys(str(row["camera"]) for row in rows)
    return [_camera_table(camera, [row for row in rows if str(row["camera"]) == camera]) for camera in cameras]


def rows_charts(rows: Sequence[Mapping[str, Any]]) -> list[Chart]:
    """Make a chart per camera of Y-PSNR by scale, where there are three scales or more."""
    charts = []
    for camera in dict.fromkeys(str(row["camera"]) for row in rows):
        own = [row for row in rows if str(row["camera"]) == camera]
        if len({row["scale"] for row in own}) >= FEWEST_SCALES:
            series = []
            for method in dict.fromkeys(str(row["method"]) for row in own):
                of = sorted((float(row["scale"]), number(row["psnr_y"])) for row in own if row["method"] == method)
                series.append(Series(label(method), [scale for scale, _ in of], [value for _, value in of]))
            charts.append(Chart(f"{camera}: Y-PSNR, dB", series, x_name="scale"))
    return charts


def _realism_tables(rows: Sequence[RealismRow]) -> list[Table]:
    """Make a table per camera: a row per scale, and a note where it has no two-sample test."""
    tables = []
    for camera in dict.fromkeys(row.camera for row in rows):
        own = [row for row in rows if row.camera == camera]
        cells, note = [realism_cells(row) for row in own], ". ".join([REALISM_LEGEND, *reasons(own)])
        tables.append(Table(f"{camera}: generated LR against real LR", REALISM_HEAD, cells, note))
    return tables


def number(value: Any) -> float:
    """Read a value of JSON, where null is one that was not finite.

    Raises:
        ValueError, TypeError: no number.
    """
    return math.nan if value is None else float(value)


def _camera_table(camera: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    scales = sorted({float(row["scale"]) for row in rows})
    methods = list(dict.fromkeys(str(row["method"]) for row in rows))
    cells = {(str(row["method"]), float(row["scale"])): row for row in rows}
    counts = {scale: max(int(row["scenes"]) for row in rows if float(row["scale"]) == scale) for scale in scales}
    best = set()
    for column, scale in enumerate(scales, 1):
        reached = {method: _rank(cells.get((method, scale))) for method in methods if method != ORACLE}
        highest = max(reached.values())
        best |= {(methods.index(method), column) for method, value in reached.items() if value == highest}
    return Table(
        f"{camera}: views against real ones",
        ["method", *(f"x{scale:g} ({counts[scale]} scene{'s' * (counts[scale] > 1)})" for scale in scales)],
        [[label(method), *(_cell(cells.get((method, scale))) for scale in scales)] for method in methods],
        f"{LEGEND} but for the oracle" if ORACLE in methods else LEGEND,
        frozenset(best),
    )


def _rank(row: Mapping[str, Any] | None) -> float:
    if row is None or _is_broken(row):
        return -math.inf
    return math.inf if row["psnr_y"] is None else round(float(row["psnr_y"]), 2)


def _is_broken(row: Mapping[str, Any]) -> bool:
    """Tell views that were NaN from those that equal the real ones, whose PSNR is infinite and SSIM is not."""
    return row["psnr_y"] is None and row["ssim_y"] is None


def _cell(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return "-"
    if _is_broken(row):
        return "no number"
    psnr = "inf" if row["psnr_y"] is None else f"{float(row['psnr_y']):.2f}"
    return f"{psnr} / {number(row['ssim_y']):.4f}"
