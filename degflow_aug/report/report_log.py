"""Losses out of BasicSR's own logs, for runs that have no history: older ones, and those of a project without ours."""

from __future__ import annotations

import math
import re
from pathlib import Path

from degflow_aug.files.run_history import Point, Recorded, Start

_POINT = re.compile(r"\[epoch: *\d+, iter: *([\d,]+), lr:\(.*?\)\] (?:\[eta:.*?\)\] )?(.*)$")
_LOSS = re.compile(r"([\w.]+): ([-+\d.e]+|nan|-?inf)(?=\s|$)")
_RESUMED = re.compile(r"Resuming training from epoch: \d+, iter: (\d+)")


def read_logs(folder: Path) -> Recorded:
    """Losses of every ``train_*.log``, oldest first; what a run that went on has made again stands there once."""
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
