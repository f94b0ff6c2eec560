"""The report of a benchmark's result: whatever its JSON holds, as facts, tables and curves, and the plots beside it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from degflow_aug.pages.report_content import Chart, Report, Series, Table
from degflow_aug.report.evaluation_report import rows_charts, rows_tables
from degflow_aug.report.sources import read_json, read_strips

MOST_ROWS = 200
_OF_EVALUATION = {"method", "camera", "scale", "psnr_y", "ssim_y", "scenes"}
_VERSIONS = ("degflow_aug", "python", "torch", "basicsr", "numpy", "scipy", "cuda")
_MACHINE = ("device", "threads", "platform")
_FEWEST_OF_A_CURVE = 3


def result_report(path: Path) -> Report:
    """The report of a JSON file, with the pictures whose names begin like its own.

    Raises:
        ValueError: no JSON object, or an empty one.
    """
    content = read_json(path)
    facts = content.get("facts")
    known = {**content, **(facts if isinstance(facts, dict) else {})}
    warnings: list[str] = []
    parts = _Parts()
    parts.take("", {key: value for key, value in content.items() if key != "facts" and key not in _VERSIONS + _MACHINE})
    if not parts.tables and not parts.charts and not parts.facts:
        raise ValueError(f"expected the results of a benchmark in {path}, got nothing to show")
    pictures = [(file.stem, file) for file in sorted(path.parent.glob("*.png")) if _belongs(file, path)]
    return Report(
        title=f"{path.stem.replace('_', ' ')}: result",
        subtitle=str(path),
        warnings=warnings,
        facts={
            "versions": ", ".join(f"{name} {known[name]}" for name in _VERSIONS if known.get(name)),
            **{name: str(known[name]) for name in _MACHINE if known.get(name)},
            **parts.facts,
        },
        charts=parts.charts,
        tables=parts.tables,
        strips=read_strips(pictures, warnings),
        settings={name: text for name, text in _settings(parts.settings, facts).items() if text},
    )


def _settings(found: Mapping[str, str], facts: Any) -> dict[str, str]:
    return {
        "Settings": "\n".join(f"{name}: {value}" for name, value in found.items()),
        "Facts": json.dumps(facts, indent=2, ensure_ascii=False) if facts else "",
    }


def _belongs(picture: Path, result: Path) -> bool:
    """Whether a picture is of this result and not of another one whose name begins with its name."""
    if picture.stem == result.stem:
        return True
    others = [file.stem for file in result.parent.glob("*.json") if picture.stem.startswith(file.stem)]
    return bool(others) and max(others, key=len) == result.stem


class _Parts:
    """Sorts what is in a JSON object into facts, settings, tables and charts."""

    def __init__(self) -> None:
        self.facts: dict[str, str] = {}
        self.settings: dict[str, str] = {}
        self.tables: list[Table] = []
        self.charts: list[Chart] = []

    def take(self, name: str, value: Any) -> None:
        """Take a value by its path in the object."""
        if isinstance(value, Mapping) and value:
            self._take_mapping(name, value)
        elif isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
            self._take_rows(name, value)
        elif isinstance(value, list) and value and any(isinstance(item, (list, Mapping)) for item in value):
            self.settings[name] = f"{len(value)} entries"
        elif value not in (None, "", [], {}):
            # What lies deeper is a setting.
            (self.settings if " / " in name else self.facts)[name] = cell(value)

    def _take_mapping(self, name: str, value: Mapping[str, Any]) -> None:
        if all(map(_is_curve, value.values())):
            series = [
                Series(label, [float(point[0]) for point in points], [float(point[1]) for point in points])
                for label, points in value.items()
            ]
            self.charts.append(Chart(name, series, x_name=name.rpartition(" / ")[2]))
        elif name and len(value) > 1 and all(map(_is_flat, value.values())):
            self._take_grid(name, value)
        elif name and len(value) > 1 and all(map(_is_value, value.values())):
            self.tables.append(Table(name, ["", "value"], [[str(key), cell(item)] for key, item in value.items()]))
        else:
            for key, item in value.items():
                self.take(f"{name} / {key}" if name else str(key), item)

    def _take_grid(self, name: str, value: Mapping[str, Mapping[str, Any]]) -> None:
        columns = list(dict.fromkeys(column for row in value.values() for column in row))
        rows = [[label, *(cell(row.get(column)) for column in columns)] for label, row in value.items()]
        self.tables.append(Table(name, ["", *(_scale_head(column) for column in columns)], rows))
        if len(columns) >= _FEWEST_OF_A_CURVE and all(map(_is_number, columns)):
            series = [_by_scale(label, row) for label, row in value.items()]
            self.charts.append(Chart(name, [each for each in series if each.x], x_name="scale"))

    def _take_rows(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        if all(row.keys() >= _OF_EVALUATION and isinstance(row["scenes"], int) for row in rows):
            self.tables += rows_tables(rows)
            self.charts += rows_charts(rows)
            return
        flat = [_flattened(row) for row in rows]
        head = list(dict.fromkeys(column for row in flat for column in row))
        note = f"{MOST_ROWS} of {len(rows)} rows" if len(rows) > MOST_ROWS else ""
        self.tables.append(
            Table(
                name or "rows",
                [_scale_head(column) for column in head],
                [[cell(row.get(column)) for column in head] for row in flat[:MOST_ROWS]],
                note,
            )
        )


def cell(value: Any) -> str:
    """A value of JSON in a table or a list of facts."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1 else f"{value:.2f}" if abs(value) < 1e5 else f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(map(cell, value))
    if isinstance(value, Mapping):
        known = {key: cell(item) for key, item in value.items() if item is not None}
        return ", ".join(item if key == "mean" else f"{key} {item}" for key, item in known.items())
    return str(value)


def _flattened(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row whose mappings by scale have become columns."""
    found: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, Mapping) and value and all(map(_is_number, value)):
            found |= {f"{key} x{float(scale):g}": item for scale, item in value.items()}
        else:
            found[key] = value
    return found


def _by_scale(label: str, row: Mapping[str, Any]) -> Series:
    means = {scale: value.get("mean") if isinstance(value, Mapping) else value for scale, value in row.items()}
    pairs = sorted((float(scale), float(value)) for scale, value in means.items() if isinstance(value, (int, float)))
    return Series(label, [scale for scale, _ in pairs], [value for _, value in pairs])


def _scale_head(name: str) -> str:
    return f"x{float(name):g}" if _is_number(name) else name


def _is_curve(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) >= _FEWEST_OF_A_CURVE
        and all(isinstance(item, list) and len(item) == 2 and all(map(_is_value, item)) for item in value)
    )


def _is_flat(value: Any) -> bool:
    if not isinstance(value, Mapping) or not value:
        return False
    return all(item is None or isinstance(item, (str, int, float)) or _is_result(item) for item in value.values())


def _is_result(value: Any) -> bool:
    """A mean and its spread, or up to three metrics: what has room in a cell."""
    if not isinstance(value, Mapping) or not 0 < len(value) <= 3:
        return False
    return all(item is None or _is_value(item) for item in value.values())


def _is_value(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text)) and float(text) >= 1
    except ValueError:
        return False
