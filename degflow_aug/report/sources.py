"""What reports read: files of a run that may be missing or cut; and times as people write them."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from degflow_aug.files.run_history import Point, Recorded, Start
from degflow_aug.pages.report_content import Chart, Series, Strip

MOST_STRIPS = 24
COLOURS_OF_A_CHART = 5
NEXT_TO_NOTHING = 1e-3
# What the log of a training on the fly has beside its losses.
SHARE = "degradation_share"


def read_json(path: Path) -> dict[str, Any]:
    """Read the object in a JSON file.

    Raises:
        ValueError: another kind of content.
        OSError: it cannot be read.
    """
    try:
        # Python writes NaN and infinity where JSON has null.
        found = json.loads(path.read_text(encoding="utf-8"), parse_constant=lambda name: None, parse_float=_finite)
    except (ValueError, RecursionError):
        raise ValueError(f"expected JSON in {path}, got other content") from None
    if not isinstance(found, dict):
        raise ValueError(f"expected an object in {path}, got {type(found).__name__}")
    return found


def _finite(number: str) -> float | None:
    value = float(number)
    return value if math.isfinite(value) else None


def read_strips(files: Iterable[tuple[str, Path]], warnings: list[str]) -> list[Strip]:
    """Read pictures by title, at most ``MOST_STRIPS``; one that cannot be read is a warning."""
    from degflow_aug.files.image_file import read_image

    strips = []
    for title, path in list(files)[:MOST_STRIPS]:
        try:
            pixels = read_image(path)
        except (ValueError, OSError) as error:
            warnings.append(f"{path.name} is left out: {error}")
            continue
        # 16 bits are more than a page shows.
        strips.append(Strip(title, (pixels >> 8).astype("uint8") if pixels.dtype != "uint8" else pixels))
    return strips


def loss_chart(title: str, recorded: Recorded) -> Chart | None:
    """Chart losses by iteration with the resumes marked; None where there are none."""
    points = recorded.points
    if not points:
        return None
    names = [name for name in dict.fromkeys(name for point in points for name in point.losses) if name != SHARE]
    if not names:
        return None
    at = [float(point.iteration) for point in points]
    every = [Series(name, at, [point.losses.get(name, math.nan) for point in points]) for name in names]
    series, left_out = _worth_drawing(every)
    last = points[-1]
    note = f"{last.iteration} iterations" + (f" in {duration(last.seconds)}" if last.seconds > 0 else "")
    note += f"; not drawn: {', '.join(left_out)}" if left_out else ""
    return Chart(title, series, note=note, marks=[float(start.iteration) for start in recorded.starts[1:]], noisy=True)


def _worth_drawing(every: Sequence[Series]) -> tuple[list[Series], list[str]]:
    """Split losses into those that differ from the first and are not negligible, and names of the others."""
    first = every[0]
    highest = max((abs(value) for value in first.y if math.isfinite(value)), default=0.0)
    kept, left_out = [first], []
    for series in every[1:]:
        largest = max((abs(value) for value in series.y if math.isfinite(value)), default=0.0)
        if largest < NEXT_TO_NOTHING * highest or len(kept) == COLOURS_OF_A_CHART:
            left_out.append(series.name)
        elif series.y != first.y:
            kept.append(series)
    return kept, left_out


def history_warnings(recorded: Recorded, what: str) -> list[str]:
    """Warn of losses that are not finite, and of damaged lines."""
    found = []
    bad = [point for point in recorded.points if not all(map(math.isfinite, point.losses.values()))]
    if bad:
        found.append(f"{what}: a loss was not finite at {len(bad)} recorded iterations, first {bad[0].iteration}.")
    if recorded.damaged:
        found.append(f"{what}: {recorded.damaged} lines of the history are damaged and left out.")
    return found


def resumed(starts: Sequence[Start]) -> list[str]:
    """Warn of a run that was started more than once."""
    again = len(starts) - 1
    if again < 1:
        return []
    where = sorted({start.iteration for start in starts[1:]} - {0})
    at = f", at iteration {', '.join(map(str, where))}" if where else ""
    return [f"Resumed {again} time{'s' * (again > 1)}{at}."]


def start_facts(starts: Sequence[Start]) -> dict[str, str]:
    """Return command, device, versions and time of the last start, and versions of others that differ."""
    if not starts:
        return {}
    last = starts[-1]
    found = {
        "command": last.command,
        "started": moment(starts[0].time) + (f", last {moment(last.time)}" if len(starts) > 1 else ""),
        "device": last.device,
        "versions": named(last.versions),
    }
    earlier = {named(start.versions) for start in starts[:-1]} - {found["versions"]}
    if earlier:
        found["earlier versions"] = "; ".join(sorted(earlier))
    return found


def named(values: Any) -> str:
    """Format as ``name value, name value``."""
    return ", ".join(f"{name} {value}" for name, value in dict(values).items())


def moment(seconds: float) -> str:
    """Format a time in seconds since 1970, in the zone of this machine."""
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
    except (ValueError, OverflowError, OSError):
        return "at an unknown time"


def duration(seconds: float) -> str:
    """Format seconds as ``52 s``, ``7 min 30 s`` or ``3 h 20 min``."""
    if not math.isfinite(seconds) or seconds < 0:
        return "an unknown time"
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def first_and_last(points: Sequence[Point], name: str) -> tuple[float, float]:
    """Return a loss at both ends."""
    values = [point.losses[name] for point in points if name in point.losses]
    return (values[0], values[-1]) if values else (math.nan, math.nan)
