"""Files that vanish or are cut off while they are read, and loading processes that are killed: a sentence with the
name, and once it is mended the same end as without."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.faults.checks import left_behind, unsound
from benchmarks.faults.harm.disk import ended_with_sentence
from benchmarks.faults.harm.kills import undisturbed
from benchmarks.faults.jobs import Job, jobs
from benchmarks.faults.processes import Started
from benchmarks.faults.tally import Tally

WORKERS = {
    "fit": ("--workers", "2"),
    "train": ("--force_yml", "datasets:train:num_worker_per_gpu=2"),
    "distil": ("--force_yml", "datasets:train:num_worker_per_gpu=2"),
}
BEGUN = (".pth", ".json", ".safetensors")
SKIPS = ("generate", "generate LMDB")
"""These pass a bad image over, and note that beside what they note of it later."""


def tallies(folder: Path, cases: int, seed: int, names: Sequence[str] | None = None) -> Iterator[Tally]:
    """Every job, or those named, ``cases`` times a fault, at random moments."""
    known = jobs(folder / "data")
    for index, name in enumerate(names or known):
        job, chance = known[name], random.Random(seed + index)
        job = replace(job, results=tuple(pattern for pattern in job.results if "json" not in pattern))
        seconds = undisturbed(job, folder / name / "whole")
        sources = sorted((folder / "data" / (_sources(name))).rglob("*.png"))
        for fault, hurt in (("file gone", _take_away), ("file cut off", _cut_off)):
            tally = Tally(f"{fault}: {name}")
            for _ in range(cases):
                tally.count(_with_file(job, folder / name, hurt, chance.choice(sources), chance.uniform(0, seconds)))
            yield tally
        if name in WORKERS:
            with_workers = replace(job, arguments=(*job.arguments, *WORKERS[name]))
            tally = Tally(f"worker killed: {name}")
            for _ in range(cases):
                tally.count(_without_worker(with_workers, folder / name, chance, chance.uniform(0, seconds)))
            yield tally


def _sources(name: str) -> str:
    return {"train": "hr", "fit": "pairs", "distil": "pairs"}.get(name, "photographs")


def _take_away(path: Path, kept: Path) -> None:
    path.rename(kept)


def _cut_off(path: Path, kept: Path) -> None:
    path.rename(kept)
    path.write_bytes(kept.read_bytes()[: kept.stat().st_size // 2])


def _with_file(job: Job, folder: Path, hurt: Callable[[Path, Path], None], path: Path, seconds: float) -> str | None:
    """Hurt a file after so many seconds, see how the job ends, and let it go on with the file as it was."""
    found, kept = folder / "found", folder / "kept.png"
    started = job.start(found)
    started.process.join(seconds)
    # Before, a folder's images have perhaps not been listed, and one that is gone then is none of this run.
    while started.running() and not any(file.suffix in BEGUN for file in found.rglob("*")):
        time.sleep(0.002)
    hurt(path, kept)
    try:
        code = started.end()
    finally:
        kept.replace(path)
    return _judged(job, folder, started, code, path.name)


def _without_worker(job: Job, folder: Path, chance: random.Random, seconds: float) -> str | None:
    """Kill a loading process after so many seconds, or as soon as there is one."""
    started = job.start(folder / "found")
    started.process.join(seconds)
    while started.running() and not started.workers():
        time.sleep(0.002)
    if workers := started.workers():
        os.kill(chance.choice(workers), signal.SIGKILL)
    return _judged(job, folder, started, started.end(), "expected the processes that load images to live on")


def _judged(job: Job, folder: Path, started: Started, code: int | None, said: str) -> str | None:
    """What is wrong with an end by a sentence, or by none where the fault came too late to matter, and with what
    becomes of it; clears it away."""
    found = folder / "found"
    problem = unsound(found)
    if job.name in SKIPS and code == 1:
        problem = problem or (None if said in started.said() else f"said {started.complaint()!r}")
    elif code != 0:
        problem = problem or ended_with_sentence(started, code, [said])
    again = job.start(found)
    code = again.end()
    problem = problem or (f"went on to exit code {code}: {again.complaint()}" if code else None)
    problem = problem or unsound(found) or left_behind(found) or job.different(folder / "whole", found)
    shutil.rmtree(found)
    return problem
