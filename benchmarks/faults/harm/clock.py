"""A clock that is set while a command works, and files from the future: the same result in the same time."""

from __future__ import annotations

import json
import os
import random
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from safetensors import safe_open

from benchmarks.faults.checks import left_behind, unsound
from benchmarks.faults.harm.kills import undisturbed
from benchmarks.faults.jobs import Job, jobs
from benchmarks.faults.tally import Tally

DAY, YEAR = 86400.0, 31536000.0
MINUTES = 0.1
SLOWER = 3.0
"""Times as long as before that a machine with other work to do is allowed."""


@dataclass(frozen=True)
class SetClock:
    """Sets the clock by so many seconds, so many seconds after the process began, as the programs in it see it."""

    offset: float
    after: float

    def __call__(self) -> None:
        seconds, nanoseconds, began = time.time, time.time_ns, time.monotonic()

        def offset() -> float:
            return self.offset if time.monotonic() - began > self.after else 0.0

        time.time = lambda: seconds() + offset()
        time.time_ns = lambda: nanoseconds() + int(offset()) * 10**9


def tallies(folder: Path, cases: int, seed: int, names: Sequence[str] | None = None) -> Iterator[Tally]:
    """Every job, or those named, ``cases`` times with the clock set forth or back, and as often with files of the
    future; a fit within minutes as well."""
    known = jobs(folder / "data")
    for index, name in enumerate(names or known):
        job, chance = known[name], random.Random(seed + index)
        seconds = undisturbed(job, folder / name / "whole")
        jumps, future = Tally(f"clock set: {name}"), Tally(f"files of the future: {name}")
        for _ in range(cases):
            jump = SetClock(chance.choice((-DAY, DAY)), chance.uniform(0, seconds))
            jumps.count(_with_clock(job, folder / name, jump, seconds))
            future.count(_with_times(job, folder / name, chance, seconds))
        yield from (jumps, future)
    if names is None or "fit" in names:
        yield _within_minutes(known["fit"], folder / "minutes", cases, seed)


def _with_clock(job: Job, folder: Path, jump: SetClock, seconds: float) -> str | None:
    began = time.monotonic()
    started = job.start(folder / "found", jump)
    code, took = started.end(), time.monotonic() - began
    problem = f"exit code {code}: {started.complaint()}" if code else None
    problem = problem or (f"took {took:.0f} s and not {seconds:.0f}" if took > SLOWER * seconds + 10 else None)
    return _judged(problem, job, folder)


def _with_times(job: Job, folder: Path, chance: random.Random, seconds: float) -> str | None:
    """Kill the job, give what it has written times from a year ago to a year ahead, and let it go on."""
    job.start(folder / "found").kill_after(chance.uniform(0, seconds))
    for path in (folder / "found").rglob("*"):
        moment = time.time() + chance.uniform(-YEAR, YEAR)
        os.utime(path, (moment, moment))
    started = job.start(folder / "found")
    code = started.end()
    return _judged(f"exit code {code}: {started.complaint()}" if code else None, job, folder)


def _judged(problem: str | None, job: Job, folder: Path) -> str | None:
    found = folder / "found"
    problem = problem or unsound(found) or left_behind(found) or job.different(folder / "whole", found)
    shutil.rmtree(found, ignore_errors=True)
    return problem


def _within_minutes(job: Job, folder: Path, cases: int, seed: int) -> Tally:
    """A fit that has minutes and not iterations uses them, whatever the clock says."""
    tally, chance = Tally("clock set: fit --minutes"), random.Random(seed)
    arguments = list(job.arguments)
    place = arguments.index("--iters")
    arguments[place : place + 2] = ["--minutes", str(MINUTES)]
    timed = replace(job, arguments=tuple(arguments))
    for _ in range(cases):
        jump = SetClock(chance.choice((-DAY, DAY)), chance.uniform(0.5, 60 * MINUTES))
        started = timed.start(folder, jump)
        code = started.end()
        tally.count(f"exit code {code}: {started.complaint()}" if code else _minutes_used(folder))
        shutil.rmtree(folder)
    return tally


def _minutes_used(folder: Path) -> str | None:
    with safe_open(folder / "camera.safetensors", framework="pt") as file:
        spec = file.metadata()["spec"]
    seconds = json.loads(spec)["training"]["seconds"]
    inside = 30 * MINUTES <= seconds <= 60 * MINUTES * SLOWER
    return None if inside else f"trained {seconds:.0f} s of {60 * MINUTES:.0f}"
