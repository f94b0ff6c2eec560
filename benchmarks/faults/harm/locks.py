"""Two processes on one output: the second is told in one sentence, the first does not notice, a dead one is none."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.faults.checks import left_behind, unsound
from benchmarks.faults.harm.disk import ended_with_sentence
from benchmarks.faults.harm.kills import undisturbed
from benchmarks.faults.jobs import Job, jobs, short_jobs
from benchmarks.faults.tally import Tally

SAID = ("expected no other process to write there, got process",)


def tallies(folder: Path, cases: int, seed: int, names: Sequence[str] | None = None) -> Iterator[Tally]:
    """Every job that writes, or those named, ``cases`` times."""
    known = {**jobs(folder / "data"), **short_jobs(folder / "data")}
    for name in names or known:
        if known[name].results:
            yield from _both(known[name], folder / name, cases)


@dataclass(frozen=True)
class SlowRename:
    """Makes every file take its time to get its name, so that a second process comes while the first is at work."""

    seconds: float = 0.1

    def __call__(self) -> None:
        replace = os.replace

        def slow(source: str, target: str) -> None:
            time.sleep(self.seconds)
            replace(source, target)

        os.replace = slow  # type: ignore[assignment]


def _both(job: Job, folder: Path, cases: int) -> list[Tally]:
    second, after_kill = Tally(f"second process: {job.name}"), Tally(f"after a killed one: {job.name}")
    undisturbed(job, folder / "whole")
    for _ in range(cases):
        second.count(_second(job, folder))
        after_kill.count(_after_kill(job, folder))
    return [second, after_kill]


def _second(job: Job, folder: Path) -> str | None:
    """Start the job again while it runs, then let it end."""
    found = folder / "found"
    first = job.start(found, SlowRename(2.0 if job.quick else 0.1))
    if not _wait_for_lock(found):
        return f"no lock: {first.complaint()}"
    other = job.start(found, log=folder / "second.log")
    problem = ended_with_sentence(other, other.end(), SAID)
    code = first.end()
    problem = problem or (f"the first ended with {code}: {first.complaint()}" if code else None)
    problem = problem or unsound(found) or left_behind(found) or job.different(folder / "whole", found)
    shutil.rmtree(found)
    return problem


def _after_kill(job: Job, folder: Path) -> str | None:
    """Kill the job while it holds its lock, and start it again at once."""
    found = folder / "found"
    first = job.start(found, SlowRename(2.0 if job.quick else 0.1))
    held = _wait_for_lock(found)
    first.kill_after(0)
    again = job.start(found)
    code = again.end()
    problem = None if held else "no lock"
    problem = problem or (f"exit code {code}: {again.complaint()}" if code else None)
    problem = problem or left_behind(found) or job.different(folder / "whole", found)
    shutil.rmtree(found)
    return problem


def _wait_for_lock(folder: Path, seconds: float = 60.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if any(folder.rglob(".*lock")):
            return True
        time.sleep(0.002)
    return False
