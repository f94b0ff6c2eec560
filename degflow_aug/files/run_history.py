"""The history of a training run, a line of JSON per start, per logged iteration, per validation and at the end.

A run that goes on at iteration k drops the points after k, which it makes again, and keeps every start: so the file has
each iteration at most once however often the run was killed.
"""

from __future__ import annotations

import json
import math
import platform
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from degflow_aug.files.writing import appended, atomic_path, refuse_link

HISTORY = "history.jsonl"
_CPU_INFO = Path("/proc/cpuinfo")
_PACKAGES = ("degflow_aug", "torch", "basicsr", "numpy")


@dataclass(frozen=True)
class Point:
    """Losses at an iteration.

    Attributes:
        seconds: of training until then, pauses left out; NaN where that is not known.
        losses: by name; NaN where one was not finite.
    """

    iteration: int
    seconds: float
    losses: Mapping[str, float]


@dataclass(frozen=True)
class Start:
    """A start of the run: the first one, or one that went on at ``iteration``.

    Attributes:
        time: in seconds since 1970, by the clock of the machine.
        command: that started it; empty where that is not known.
        versions: of Python and of packages, by name.
        device: as its maker calls it.
    """

    iteration: int
    time: float
    command: str
    versions: Mapping[str, str]
    device: str


@dataclass(frozen=True)
class Mark:
    """Something of an iteration that is done, and need not be done again.

    Attributes:
        what: ``END`` of the training, or the name of a data set that was validated on.
        state: of an end, the iteration of the newest training state by then; 0 where there is none.
    """

    iteration: int
    what: str
    state: int = 0


END = ""


@dataclass(frozen=True)
class Recorded:
    """A history as it was read; ``damaged`` counts lines that a full disk has left in part."""

    starts: tuple[Start, ...] = ()
    points: tuple[Point, ...] = ()
    marks: frozenset[Mark] = frozenset()
    damaged: int = 0


class RunHistory:
    """Writes the history of a run that starts, or goes on after iteration ``resumed_at``.

    A line that cannot be written is left out: training goes on without it. A link in the place of the file is a
    ValueError.

    Attributes:
        seconds: of the last point that was kept; 0 where there is none.
    """

    def __init__(self, path: Path, resumed_at: int = 0) -> None:
        self.path, self.seconds = path, 0.0
        refuse_link(path)
        with suppress(OSError, ValueError, TypeError, ArithmeticError, RecursionError):
            self._drop_after(resumed_at)

    def start(self, iteration: int, command: str, device: str) -> None:
        """Write a line for a start."""
        self._append({
            "start": iteration, "time": time.time(), "command": command, "versions": versions(), "device": device,
        })  # fmt: skip

    def add(self, iteration: int, seconds: float, losses: Mapping[str, float]) -> None:
        """Write a line of losses."""
        finite = {name: value if math.isfinite(value) else None for name, value in losses.items()}
        self._append({"iter": iteration, "seconds": round(seconds, 3), "losses": finite})

    def _append(self, line: dict[str, Any]) -> None:
        _append(self.path, line)

    def _drop_after(self, iteration: int) -> None:
        if not self.path.is_file():
            return
        lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
        found = [(line, read) for line in lines if (read := _read_line(_parse(line))) is not None]
        found = [(line, read) for line, read in found if isinstance(read, Start) or read.iteration <= iteration]
        kept, points = [line for line, _ in found], [read for _, read in found if isinstance(read, Point)]
        self.seconds = points[-1].seconds if points else 0.0
        if kept != lines:
            with atomic_path(self.path) as partial:
                partial.write_text("".join(kept), encoding="utf-8")


def write_mark(path: Path, mark: Mark) -> None:
    """Write a line for a mark into the history in ``path``."""
    _append(path, {"done": mark.what, "iter": mark.iteration, "state": mark.state})


def _append(path: Path, line: dict[str, Any]) -> None:
    with suppress(OSError, ValueError), appended(path) as file:
        content = json.dumps(line, allow_nan=False).encode() + b"\n"
        if file.seek(0, 2):
            file.seek(-1, 2)
            # A line that was cut ends here, and does not swallow this one.
            content = content if file.read(1) == b"\n" else b"\n" + content
        file.write(content)


def read_history(path: Path) -> Recorded:
    """Read the history in ``path``; no file is an empty history.

    Raises:
        ValueError: not a single line of a history in a file that is not empty.
    """
    if not path.is_file():
        return Recorded()
    starts, points, marks, damaged = [], [], [], 0
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        read = _read_line(_parse(line))
        if isinstance(read, Start):
            starts.append(read)
        elif isinstance(read, Point):
            points.append(read)
        elif isinstance(read, Mark):
            marks.append(read)
        else:
            damaged += 1
    if damaged and not starts and not points and not marks:
        raise ValueError(f"expected the history of a training run in {path}, got other content")
    return Recorded(tuple(starts), tuple(points), frozenset(marks), damaged)


def processor_name() -> str:
    """Name the processor as its maker does."""
    info = _CPU_INFO.read_text(encoding="utf-8", errors="replace") if _CPU_INFO.is_file() else ""
    names = re.findall(r"^model name\s*:\s*(.+)$", info, re.MULTILINE)
    return names[0] if names else platform.processor() or platform.machine()


def versions() -> dict[str, str]:
    """Find the versions of Python and of the packages that a result depends on, without importing them."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


def _parse(line: str) -> dict[str, Any] | None:
    if not line.endswith("}") and not line.endswith("}\n"):
        return None
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _read_line(found: dict[str, Any] | None) -> Start | Point | Mark | None:
    try:
        if found is None:
            return None
        if "start" in found:
            known = {str(name): str(value) for name, value in found["versions"].items()}
            return Start(int(found["start"]), float(found["time"]), str(found["command"]), known, str(found["device"]))
        if "done" in found:
            return Mark(int(found["iter"]), str(found["done"]), int(found["state"]))
        losses = {str(name): math.nan if value is None else float(value) for name, value in found["losses"].items()}
        return Point(int(found["iter"]), float(found["seconds"]), losses)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        return None
