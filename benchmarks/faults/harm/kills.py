"""``kill -9`` at random moments of a command, and again of the command that goes on: nothing lost, nothing doubled."""

from __future__ import annotations

import math
import random
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.faults.checks import left_behind, unsound
from benchmarks.faults.jobs import Job, jobs
from benchmarks.faults.processes import HUNG, finish
from benchmarks.faults.tally import Tally


def tallies(
    folder: Path, cases: int, seed: int, names: Sequence[str] | None = None, minutes: float = math.inf
) -> Iterator[Tally]:
    """Every job, or those named, killed ``cases`` times below ``folder``, or as often as so many minutes allow."""
    known = jobs(folder / "data")
    for index, name in enumerate(names or known):
        yield killed(known[name], folder / name, cases, seed + index, minutes)


def killed(job: Job, folder: Path, cases: int, seed: int, minutes: float = math.inf) -> Tally:
    """Kill and go on, until the job gets to its end between two kills; then compare, and begin anew."""
    tally, chance = Tally(f"kill -9: {job.name}"), random.Random(seed)
    seconds = undisturbed(job, folder / "whole")
    found, kills, chains, deadline = folder / "killed", 0, 0, time.monotonic() + 60 * minutes
    while (more := tally.cases < cases and time.monotonic() < deadline) or kills:
        started = job.start(found)
        # After the last kill the job gets to its end without another one.
        if started.kill_after(chance.uniform(0, seconds) if more else HUNG) and more:
            tally.count(unsound(found))
            kills += 1
            continue
        if kills:
            chains += 1
            problem = _end(job, started.process.exitcode, folder)
            if problem:
                tally.failures.append(f"{problem}; {started.complaint()}")
        shutil.rmtree(found, ignore_errors=True)
        kills = 0
    tally.figures = {"seconds undisturbed": seconds, "ends compared": chains}
    return tally


def undisturbed(job: Job, folder: Path) -> float:
    """Run the job once to its end, for comparison; the seconds that it took.

    Raises:
        RuntimeError: it cannot even do that.
    """
    # The first command of all waits for the server.
    folder.mkdir(parents=True, exist_ok=True)
    finish(["--version"], folder.parent, folder.with_suffix(".log"))
    began = time.monotonic()
    started = job.start(folder)
    if started.end() != 0:
        raise RuntimeError(f"{job.name} fails undisturbed: {started.said()}")
    return time.monotonic() - began


def _end(job: Job, code: int | None, folder: Path) -> str | None:
    """What is wrong with a job that has come to its end after kills."""
    if code != 0:
        return f"went on to exit code {code}"
    whole, found = folder / "whole", folder / "killed"
    return unsound(found) or left_behind(found) or job.different(whole, found, killed=True)
