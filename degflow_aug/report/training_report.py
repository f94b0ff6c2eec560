"""Report ``degflow train``, or any training of BasicSR, from its folder at any time."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from degflow_aug.files.run_history import HISTORY, Point, Recorded, Start, read_history
from degflow_aug.options.yaml_file import load_yaml
from degflow_aug.pages.report_content import Chart, Report, Series, Table
from degflow_aug.report.sources import (
    MOST_STRIPS,
    SHARE,
    history_warnings,
    loss_chart,
    read_json,
    read_strips,
    resumed,
    start_facts,
)

_OF_A_SCENE = 2
_ITERATION = re.compile(r"(\d+)$")
_POINT = re.compile(r"\[epoch: *\d+, iter: *([\d,]+), lr:\(.*?\)\] (?:\[eta:.*?\)\] )?(.*)$")
_LOSS = re.compile(r"([\w.]+): ([-+\d.e]+|nan|-?inf)(?=\s|$)")
_RESUMED = re.compile(r"Resuming training from epoch: \d+, iter: (\d+)")


def is_training(folder: Path) -> bool:
    """Whether BasicSR has trained in this folder."""
    return (folder / HISTORY).is_file() or any(folder.glob("train_*.log"))


def training_report(folder: Path) -> Report:
    """Report the run in ``folder``, finished or not.

    Raises:
        ValueError: a history, a validation or options that cannot be read.
    """
    recorded = read_history(folder / HISTORY)
    if not recorded.points:
        recorded = read_logs(folder)
    name, options = folder.resolve().name, _options(folder)
    validations = _validations(folder)
    warnings = [*resumed(recorded.starts), *history_warnings(recorded, name), *_not_finite(validations)]
    chart = loss_chart(name, recorded)
    if chart is None:
        warnings.append("No losses were recorded.")
    done = recorded.points[-1].iteration if recorded.points else 0
    total = (options.get("train") or {}).get("total_iter")
    kind = options.get("model_type", "a training of BasicSR")
    if not (folder / "models" / "net_g_latest.pth").is_file():
        warnings.append("The run has not ended; --auto_resume goes on with it.")
    strips = read_strips(_pictures(folder), warnings)
    return Report(
        title=f"{name}: degflow train",
        subtitle=f"{kind}, iteration {done}" + (f" of {total}" if total else ""),
        warnings=warnings,
        facts={**start_facts(recorded.starts), "folder": str(folder), **_networks(options), **_share(recorded)},
        charts=[*([chart] if chart else []), *itertools.chain.from_iterable(map(_charts, validations.values()))],
        tables=[_table(dataset, found) for dataset, found in validations.items()],
        strips=strips,
        settings={"Option file": _option_text(folder)} if _option_file(folder) else {},
    )


def read_logs(folder: Path) -> Recorded:
    """Read the losses of BasicSR's own logs, for runs that have no history: older ones, and those without ours.

    The oldest ``train_*.log`` comes first; iterations that a resumed run has made again count once.
    """
    starts: list[Start] = []
    points: list[Point] = []
    for path in sorted(folder.glob("train_*.log"), key=lambda path: path.stat().st_mtime):
        text = path.read_text(encoding="utf-8", errors="replace")
        went_on = _RESUMED.search(text)
        first = int(went_on[1]) if went_on else 0
        starts.append(Start(first, path.stat().st_mtime, "", {}, ""))
        points = [point for point in points if point.iteration <= first]
        points += [point for line in text.splitlines() if (point := _point(line))]
    return Recorded(tuple(starts), tuple(points))


def _point(line: str) -> Point | None:
    found = _POINT.search(line)
    if not found:
        return None
    losses = {name: float(value) for name, value in _LOSS.findall(found[2])}
    return Point(int(found[1].replace(",", "")), math.nan, losses) if losses else None


def _option_file(folder: Path) -> Path | None:
    return max(folder.glob("*.yml"), key=lambda path: path.stat().st_mtime, default=None)


def _option_text(folder: Path) -> str:
    path = _option_file(folder)
    return path.read_text(encoding="utf-8", errors="replace") if path else ""


def _options(folder: Path) -> dict[str, Any]:
    path = _option_file(folder)
    return load_yaml(path) if path else {}


def _networks(settings: Mapping[str, Any]) -> dict[str, str]:
    network, degradation = settings.get("network_g") or {}, settings.get("degradation") or {}
    found = {"network": str(network.get("type", "")), "degradation": str(degradation.get("type", ""))}
    if degradation.get("bundle"):
        found["degradation"] += f", {degradation['bundle']}"
    return found


def _share(recorded: Recorded) -> dict[str, str]:
    shares = [value for point in recorded.points if math.isfinite(value := point.losses.get(SHARE, math.nan))]
    return {"share of the degradation": f"{100 * shares[-1]:.1f} % of a step"} if shares else {}


def _validations(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Read the results of each validation per data set, in the order of iterations."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path in sorted((folder / "validation").glob("*.json")):
        content = read_json(path)
        if not {"dataset", "iter", "scales", "mean"} <= content.keys():
            continue
        if not isinstance(content["iter"], int) or not isinstance(content["scales"], dict):
            raise ValueError(f"expected the results of a validation in {path}, got other content")
        found.setdefault(str(content["dataset"]), []).append(content)
    return {name: sorted(results, key=lambda each: each["iter"]) for name, results in found.items()}


def _value(values: Mapping[str, Any], metric: str) -> float:
    value = values.get(metric)
    return float(value) if isinstance(value, (int, float)) else math.nan


def _not_finite(validations: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    """Warn of metrics that are not finite in the last validation of a data set."""
    return [
        f"{dataset}: {name} of x{scale} was not finite at iteration {results[-1]['iter']}."
        for dataset, results in validations.items()
        for scale, values in results[-1]["scales"].items()
        for name in results[-1]["mean"]
        if not math.isfinite(_value(values, name))
    ]


def _charts(results: Sequence[Mapping[str, Any]]) -> list[Chart]:
    """Make a chart per metric, a line per scale, where there were several validations."""
    if len(results) < 2:
        return []
    at = [float(each["iter"]) for each in results]
    scales = sorted({scale for each in results for scale in each["scales"]}, key=float)
    return [
        Chart(
            f"{results[0]['dataset']}: {metric}",
            [
                Series(f"x{scale}", at, [_value(each["scales"].get(scale, {}), metric) for each in results])
                for scale in scales
            ],
        )
        for metric in results[-1]["mean"]
    ]


def _table(dataset: str, results: Sequence[Mapping[str, Any]]) -> Table:
    """Make a table of the last validation, with the lowest and highest mean of each metric."""
    last = results[-1]
    metrics = list(last["mean"])
    rows = [
        [f"x{scale}", str(last.get("images", {}).get(scale, "")), *(f"{_value(values, name):.4f}" for name in metrics)]
        for scale, values in sorted(last["scales"].items(), key=lambda item: float(item[0]))
    ]
    rows.append(["mean", "", *(f"{_value(last['mean'], name):.4f}" for name in metrics)])
    for name, pick in (("lowest mean", min), ("highest mean", max)):
        rows.append([name, "", *(_extreme(results, metric, pick) for metric in metrics)])
    return Table(f"{dataset}: validation at iteration {last['iter']}", ["scale", "images", *metrics], rows)


def _extreme(results: Sequence[Mapping[str, Any]], metric: str, pick: Any) -> str:
    values = [(_value(each["mean"], metric), each["iter"]) for each in results]
    finite = [pair for pair in values if math.isfinite(pair[0])]
    if not finite:
        return "-"
    value, iteration = pick(finite, key=lambda pair: pair[0])
    return f"{value:.4f} @ {iteration}"


def _pictures(folder: Path) -> list[tuple[str, Path]]:
    """Find the newest pictures of every folder of ``visualization``, by iteration."""
    root = folder / "visualization"
    found: list[tuple[str, Path]] = []
    for inner in sorted({path.parent for path in root.rglob("*.png")}):
        by_image: dict[str, list[tuple[int, Path]]] = {}
        for path in inner.glob("*.png"):
            number = _ITERATION.search(path.stem)
            by_image.setdefault(_ITERATION.sub("", path.stem), []).append((int(number[1]) if number else 0, path))
        for versions in by_image.values():
            newest = sorted(versions, reverse=True)[:_OF_A_SCENE]
            found += [(str(path.relative_to(root).with_suffix("")), path) for _, path in newest]
    return found[:MOST_STRIPS]
