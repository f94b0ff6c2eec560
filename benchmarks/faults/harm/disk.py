"""A full disk and a read-only one: one sentence, exit code 2, all that was written before is whole, and it goes on."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.faults.checks import left_behind, unsound
from benchmarks.faults.harm.kills import undisturbed
from benchmarks.faults.jobs import Job, jobs
from benchmarks.faults.processes import Started
from benchmarks.faults.tally import Tally

DISK_MB = 192
SAID = {
    "disk full": ("No space left on device", "free some space"),
    "read-only": ("Read-only file system",),
}


def tallies(folder: Path, cases: int, seed: int, names: Sequence[str] | None = None) -> Iterator[Tally]:
    """Every job, or those named, on a small disk that has room for a random part of it, then read-only."""
    known = jobs(folder / "data")
    for index, name in enumerate(names or known):
        yield from _on_small_disk(known[name], folder / name, cases, seed + index)


def _on_small_disk(job: Job, folder: Path, cases: int, seed: int) -> Iterator[Tally]:
    chance, disk = random.Random(seed), folder / "disk"
    full, read_only = (Tally(f"{kind}: {job.name}") for kind in SAID)
    try:
        with small_disk(disk):
            undisturbed(job, folder / "whole")
            needed = sum(path.stat().st_size for path in (folder / "whole").rglob("*") if path.is_file())
            for _ in range(cases):
                full.count(_filled(job, disk, folder, room=int(chance.uniform(0.02, 0.9) * needed)))
                read_only.count(_closed(job, disk, folder))
    except PermissionError as error:
        full.skipped = read_only.skipped = str(error)
    yield from (full, read_only)


def _filled(job: Job, disk: Path, folder: Path, room: int) -> str | None:
    """Run the job where there is room for so many bytes, then with all the room it needs."""
    found, filler = disk / "found", disk / "filler"
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    filler.write_bytes(bytes(max(0, free - room)))
    problem = _refused(job, found, SAID["disk full"])
    filler.unlink()
    return problem or _goes_on(job, folder, found)


def _closed(job: Job, disk: Path, folder: Path) -> str | None:
    """Run the job on a disk that takes no changes, which has the job's results already, then on one that does."""
    found = disk / "found"
    shutil.copytree(folder / "whole", found, dirs_exist_ok=True)
    for path in found.rglob("*latest*"):
        path.unlink()
    for path in (*found.glob("camera.safetensors"), *found.glob("lr/2/01.png"), *found.glob("lr/files.jsonl")):
        path.unlink()
    _mount("-o", "remount,ro", str(disk))
    try:
        problem = _refused(job, found, SAID["read-only"])
    finally:
        _mount("-o", "remount,rw", str(disk))
    return problem or _goes_on(job, folder, found)


def _refused(job: Job, found: Path, said: Sequence[str]) -> str | None:
    """What is wrong with how the job ends where it cannot write; what it prints goes to another disk."""
    started = job.start(found, log=found.parent.with_suffix(".log"))
    code = started.end()
    return ended_with_sentence(started, code, said) or unsound(found)


def ended_with_sentence(started: Started, code: int | None, said: Sequence[str]) -> str | None:
    """What is wrong with an end that should be exit code 2, and one sentence with one of these parts in it."""
    if code != 2:
        return f"exit code {code}: {started.complaint()}"
    if "Traceback" in started.said():
        return f"a traceback: {started.complaint()}"
    if not started.complaint().startswith("degflow: ") or not any(part in started.complaint() for part in said):
        return f"said {started.complaint()!r}"
    return None


def _goes_on(job: Job, folder: Path, found: Path) -> str | None:
    """What is wrong with what the same command makes now that it can; clears it away."""
    started = job.start(found, log=folder / "again.log")
    code = started.end()
    problem = f"went on to exit code {code}: {started.complaint()}" if code else None
    problem = problem or unsound(found) or left_behind(found) or job.different(folder / "whole", found)
    shutil.rmtree(found)
    return problem


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A file system of ``DISK_MB`` in memory at ``folder``.

    Raises:
        PermissionError: this user may not mount one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _mount("-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(folder))
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=False)


def _mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise PermissionError(f"no small file system may be mounted here: {done.stderr.strip()}")
