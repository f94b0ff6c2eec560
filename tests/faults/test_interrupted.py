"""Commands that are killed, stopped, or run out of disk at every kind of moment: nothing lost, doubled or cut in half.

Moments are counted in files that get their names, and not in seconds: they are the same on any machine.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.jobs import Job, jobs, left_behind, unsound
from faults.processes import Interrupt

pytestmark = [pytest.mark.faults, pytest.mark.slow]
NAMES = ("fit", "train", "distil", "generate", "generate LMDB")
MOMENTS = [2**power for power in range(14)]  # in files that a run writes
STOPPED = 128 + signal.SIGTERM
DISK_MB = 192
FULL = ("No space left on device", "free some space")


@pytest.fixture(scope="module", params=NAMES)
def job(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Job, Path]:
    """A job, and the folder of its undisturbed run."""
    root = tmp_path_factory.mktemp("job")
    made = jobs(root / "data")[request.param]
    end = made.run(root / "whole")
    assert end.code == 0, end.stderr
    assert unsound(root / "whole") is None
    return made, root / "whole"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of ``DISK_MB`` in memory; skips where this user may mount none."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(tmp_path)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no small file system may be mounted here: {done.stderr.strip()}")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=False)


def test_killed_again_and_again_ends_as_undisturbed(job: tuple[Job, Path], tmp_path: Path) -> None:
    made, whole = job
    found, kills = tmp_path / "found", 0
    for moment in MOMENTS:
        end = made.run(found, Interrupt(moment, signal.SIGKILL, made.target))
        assert unsound(found) is None
        if end.code != -signal.SIGKILL:
            break
        kills += 1
    assert end.code == 0, end.stderr
    assert kills >= 2
    assert left_behind(found) == []
    assert made.different(whole, found) is None


def test_stopped_by_sigterm_saves_and_goes_on(job: tuple[Job, Path], tmp_path: Path) -> None:
    made, whole = job
    found, stops = tmp_path / "found", 0
    for moment in MOMENTS:
        end = made.run(found, Interrupt(moment, signal.SIGTERM, made.target))
        assert "Traceback" not in end.stderr
        assert unsound(found) is None
        assert left_behind(found) == []
        if end.code != STOPPED:
            break
        stops += 1
    assert end.code == 0, end.stderr
    assert stops >= 1
    assert made.different(whole, found) is None


def test_a_disk_that_is_full_for_a_moment_is_one_sentence(job: tuple[Job, Path], tmp_path: Path) -> None:
    made, whole = job
    found, refused = tmp_path / "found", 0
    for moment in MOMENTS:
        end = made.run(found, Interrupt(moment, target=made.target, error=True))
        assert unsound(found) is None
        if end.code == 0:
            break
        assert end.is_sentence(*FULL), end.stderr
        refused += 1
    assert end.code == 0, end.stderr
    assert refused >= 1
    assert left_behind(found) == []
    assert made.different(whole, found) is None


@pytest.mark.parametrize("share", [0.4, 0.85])
def test_goes_on_when_a_full_disk_has_room_again(job: tuple[Job, Path], share: float, small_disk: Path) -> None:
    made, whole = job
    found, filler = small_disk / "found", small_disk / "filler"
    needed = sum(path.stat().st_size for path in whole.rglob("*") if path.is_file())
    free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
    filler.write_bytes(bytes(max(0, free - int(share * needed))))
    end = made.run(found)
    assert end.is_sentence(*FULL), end.stderr
    assert unsound(found) is None
    filler.unlink()
    end = made.run(found)
    assert end.code == 0, end.stderr
    assert unsound(found) is None
    assert left_behind(found) == []
    assert made.different(whole, found) is None
