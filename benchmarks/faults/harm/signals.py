"""SIGTERM, as a cluster sends it to all processes of a job: what was done is saved, exit code 143 within 30 s."""

from __future__ import annotations

import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.faults.checks import left_behind, unsound
from benchmarks.faults.harm.files import WORKERS
from benchmarks.faults.harm.kills import undisturbed
from benchmarks.faults.jobs import Job, jobs, short_jobs
from benchmarks.faults.processes import Started
from benchmarks.faults.tally import Tally

LIMIT = 30.0
STOPPED = 128 + signal.SIGTERM


def tallies(folder: Path, cases: int, seed: int, names: Sequence[str] | None = None) -> Iterator[Tally]:
    """Every job, or those named, ``cases`` times, and the two long stretches of a fit between two trainings."""
    known = {**jobs(folder / "data"), **short_jobs(folder / "data")}
    for index, name in enumerate(names or known):
        job = replace(known[name], arguments=(*known[name].arguments, *WORKERS.get(name, ())))
        yield stopped(job, folder / name, cases, seed + index)
    if names is None or "fit" in names:
        # As long as they are for a user.
        fit = replace(known["fit"], hook=None)
        yield in_stretch(fit, folder / "search", cases, seed, "pipeline", lambda work: True)
        yield in_stretch(fit, folder / "encode", cases, seed, "encode", lambda work: _has_network(work, "rae"))


def stopped(job: Job, folder: Path, cases: int, seed: int) -> Tally:
    """Stop and go on, until the job gets to its end between two signals; then compare, and begin anew."""
    tally, chance = Tally(f"SIGTERM: {job.name}"), random.Random(seed)
    seconds, slowest, found = undisturbed(job, folder / "whole"), 0.0, folder / "found"
    while tally.cases < cases:
        started = job.start(found)
        if started.send_after(signal.SIGTERM, chance.uniform(0, seconds)):
            problem, took = _end(started)
            slowest = max(slowest, took)
            tally.count(problem or unsound(found) or left_behind(found))
            continue
        started.end()
        shutil.rmtree(found, ignore_errors=True)
    last = job.start(found)
    code = last.end()
    problem = f"went on to exit code {code}: {last.complaint()}" if code else job.different(folder / "whole", found)
    tally.failures += [problem] if problem else []
    tally.figures = {"slowest end in s": slowest}
    return tally


def in_stretch(job: Job, folder: Path, cases: int, seed: int, stretch: str, reached: Callable[[Path], bool]) -> Tally:
    """Stop a fit in a stretch of it that trains nothing, ``cases`` times."""
    tally, chance, slowest = Tally(f"SIGTERM: fit, {stretch}"), random.Random(seed), 0.0
    for _ in range(cases):
        started = job.start(folder)
        while started.running() and not reached(folder / "camera.fit"):
            time.sleep(0.02)
        problem: str | None = "ended before the signal"
        if started.send_after(signal.SIGTERM, chance.uniform(0.2, 3.0)):
            problem, took = _end(started)
            slowest = max(slowest, took)
        tally.count(problem or unsound(folder) or left_behind(folder))
    tally.figures = {"slowest end in s": slowest}
    return tally


def _end(started: Started) -> tuple[str | None, float]:
    """What is wrong with how a command ends that has just been sent the signal, and how long that took.

    One that had all done already may say so.
    """
    began = time.monotonic()
    code = started.end()
    took = time.monotonic() - began
    if code not in (STOPPED, 0):
        return f"exit code {code}: {started.complaint()}", took
    if "Traceback" in started.said():
        return f"a traceback: {started.complaint()}", took
    return f"ended after {took:.0f} s" if took > LIMIT else None, took


def _has_network(work: Path, stage: str) -> bool:
    return (work / stage / "models" / "net_g_latest.pth").is_file()
