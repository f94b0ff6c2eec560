"""Report ``degflow fit`` from its work folder at any time, and keep there what the report needs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from degflow_aug.console.json_output import plain
from degflow_aug.files.run_history import HISTORY, Recorded, read_history
from degflow_aug.files.writing import atomic_path
from degflow_aug.pages.report_content import Report, Strip, Table
from degflow_aug.report.evaluation_report import rows_charts, rows_tables, shown_rows
from degflow_aug.report.sources import (
    duration,
    first_and_last,
    history_warnings,
    loss_chart,
    read_json,
    read_strips,
    resumed,
    start_facts,
)

if TYPE_CHECKING:
    from degflow_aug.evaluation.rows import Row
    from degflow_aug.evaluation.samples import Sample

PLAN, EVALUATION = "plan.json", "evaluation"
STAGES = ("rae", "lfm", "refine", "distill")
TITLES = {"rae": "autoencoder", "lfm": "flow", "refine": "both on rendered views", "distill": "one-step student"}


def keep_evaluation(work: Path, rows: Sequence[Row], samples: Sequence[Sample], facts: Mapping[str, Any]) -> None:
    """Keep the table at the end of a fit, and its pictures, in the work folder."""
    from degflow_aug.files.image_file import write_image

    folder = work / EVALUATION
    folder.mkdir(parents=True, exist_ok=True)
    pictures = []
    for number, sample in enumerate(samples):
        name = f"{number:02}.png"
        write_image(folder / name, sample.pixels)
        pictures.append({"file": name, "title": sample.title, "columns": sample.columns})
    with atomic_path(folder / "evaluation.json") as partial:
        content = plain({**facts, "rows": rows, "samples": pictures})
        partial.write_text(json.dumps(content, allow_nan=False), encoding="utf-8")


def is_fit(folder: Path) -> bool:
    """Whether this is the work folder of a fit."""
    return (folder / PLAN).is_file()


def fit_report(work: Path) -> Report:
    """Report the fit in ``work``, finished or not.

    Raises:
        ValueError: a plan or history that cannot be read.
    """
    plan = read_json(work / PLAN)
    request, iterations, seconds = dict(plan["request"]), dict(plan["iterations"]), float(plan["seconds"])
    starts = read_history(work / HISTORY)
    stages = {stage: read_history(work / stage / HISTORY) for stage in STAGES if (work / stage).is_dir()}
    evaluation = _read_evaluation(work)
    warnings = _warnings(work, starts, stages, evaluation)
    strips = _strips(work, evaluation, warnings)
    rows = shown_rows(evaluation.get("rows", []), bool(evaluation.get("oracle")))
    return Report(
        title=f"{request.get('camera') or 'camera'}: degflow fit",
        subtitle=_subtitle(request, iterations, seconds, bool(evaluation)),
        warnings=warnings,
        facts={**start_facts(starts.starts), **_facts(work, request), **_learned(evaluation)},
        charts=[chart for stage, found in stages.items() if (chart := loss_chart(f"{stage}: {TITLES[stage]}", found))]
        + rows_charts(rows),
        tables=[*rows_tables(rows), *_stage_table(stages, iterations)],
        strips=strips,
        settings={"Settings": json.dumps(request, indent=2, ensure_ascii=False)},
    )


def _read_evaluation(work: Path) -> dict[str, Any]:
    path = work / EVALUATION / "evaluation.json"
    return read_json(path) if path.is_file() else {}


def _subtitle(request: Mapping[str, Any], iterations: Mapping[str, Any], seconds: float, finished: bool) -> str:
    budget = f"{request['iters']} iterations" if request.get("iters") else f"{request.get('minutes', 0):g} minutes"
    state = "finished" if finished else f"stages finished: {', '.join(iterations) or 'none'}"
    spent = f", {duration(seconds)} of work in finished stages" if seconds else ""
    return f"preset {request.get('preset')}, recipe {request.get('recipe')}, {budget}; {state}{spent}"


def _facts(work: Path, request: Mapping[str, Any]) -> dict[str, str]:
    scenes = [str(scene) for scene in request.get("scenes", [])]
    ends = f", {scenes[0]} to {scenes[-1]}" if scenes else ""
    cameras = ", ".join(request.get("cameras") or ()) or "one camera"
    return {
        "pairs": f"{request.get('pairs')} ({request.get('layout')})",
        "scenes": f"{len(scenes)} to train on{ends}",
        "cameras": cameras,
        "knots": ", ".join(f"{float(knot):g}" for knot in request.get("knots", [])),
        "seed": str(request.get("seed")),
        "work folder": str(work),
    }


def _learned(evaluation: Mapping[str, Any]) -> dict[str, str]:
    """What a student reached and which noise was chosen; earlier versions said only whether there is noise."""
    return {key: found for key in ("student", "noise") if isinstance(found := evaluation.get(key), str) and found}


def _warnings(work: Path, starts: Recorded, stages: Mapping[str, Recorded], evaluation: Mapping[str, Any]) -> list[str]:
    found = resumed(starts.starts)
    for stage, recorded in stages.items():
        found += history_warnings(recorded, stage)
        if not recorded.points:
            found.append(f"{stage}: no losses were recorded.")
        if not (work / stage / "models" / "net_g_latest.pth").is_file():
            found.append(f"{stage} has not ended; the same command goes on with it.")
    if evaluation and not evaluation.get("held_out", True):
        found.append("The table is of scenes that were trained on: none were held out.")
    for part in ("student", "noise"):
        if evaluation and not evaluation.get(part, True):
            found.append(f"The bundle has no {part}: the images are too small to learn it from.")
    return found


def _strips(work: Path, evaluation: Mapping[str, Any], warnings: list[str]) -> list[Strip]:
    listed = {item["title"]: item for item in evaluation.get("samples", [])}
    # The name of a file in there is not taken at its word: it must not lead out of the folder.
    files = [(title, work / EVALUATION / Path(str(item["file"])).name) for title, item in listed.items()]
    return [Strip(s.title, s.pixels, tuple(listed[s.title]["columns"])) for s in read_strips(files, warnings)]


def _stage_table(stages: Mapping[str, Recorded], iterations: Mapping[str, Any]) -> list[Table]:
    rows = []
    for stage, recorded in stages.items():
        points = recorded.points
        first, last = first_and_last(points, "total")
        done = iterations.get(stage) or (points[-1].iteration if points else 0)
        seconds = points[-1].seconds if points else math.nan
        rate = f"{points[-1].iteration / seconds:.3g}" if seconds > 0 else "-"
        rows.append([stage, str(done), duration(seconds) if points else "-", rate, f"{first:.4g}", f"{last:.4g}"])
    head = ["stage", "iterations", "time", "iterations / s", "first loss", "last loss"]
    return [Table("Stages", head, rows)] if rows else []
