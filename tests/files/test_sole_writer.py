"""A second writer is told, a dead one does not count, and what has no locks works without."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from degflow_aug.files.sole_writer import sole_writer

HOLD = """
import os, sys, time
from degflow_aug.files.sole_writer import sole_writer
with sole_writer(sys.argv[1]):
    ready, begun = os.pipe()
    if os.fork() == 0:
        os.close(1)
        # Python has run what a fork asks for: the lock is the parent's alone.
        os.write(begun, b".")
        time.sleep(float(sys.argv[2]))
        os._exit(0)
    os.read(ready, 1)
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(output: Path, child_seconds: float = 0) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(output), str(child_seconds)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_the_second_is_told_and_the_next_is_not(tmp_path: Path) -> None:
    output = tmp_path / "new" / "camera.safetensors"
    process = holder(output)
    with (
        pytest.raises(ValueError, match=r"camera\.safetensors: expected no other .* got one at work; wait for its end"),
        sole_writer(output),
    ):
        pass
    with sole_writer(tmp_path / "new" / "other.safetensors"):
        pass
    process.communicate("")
    assert process.returncode == 0
    assert list(output.parent.iterdir()) == []
    with sole_writer(output):
        assert [path.name for path in output.parent.iterdir()] == [".camera.safetensors.lock"]
    assert list(output.parent.iterdir()) == []


def test_a_killed_holder_does_not_count_nor_do_its_workers(tmp_path: Path) -> None:
    output = tmp_path / "out"
    process = holder(output, child_seconds=20)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (tmp_path / ".out.lock").exists()
    with sole_writer(output):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_without_locks_the_work_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def refuse(*arguments: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with sole_writer(tmp_path / "out"):
        pass


def test_an_output_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="out") as caught, sole_writer(tmp_path / "file" / "out"):
        pass
    assert caught.value.filename == str(tmp_path / "file" / "out")


@pytest.mark.parametrize("there", [True, False])
def test_a_link_in_place_of_the_lock_is_not_followed(tmp_path: Path, there: bool) -> None:
    precious = tmp_path / "precious"
    if there:
        precious.write_text("kept")
    (tmp_path / ".out.lock").symlink_to(precious)
    with (
        pytest.raises(ValueError, match=r"\.out\.lock: expected a file to lock, got a link; remove it$"),
        sole_writer(tmp_path / "out"),
    ):
        pass
    assert (precious.read_text() if there else precious.exists()) == ("kept" if there else False)
    assert (tmp_path / ".out.lock").is_symlink()


def test_what_a_killed_writer_left_of_the_file_is_removed(tmp_path: Path) -> None:
    output, other = tmp_path / "a.safetensors", tmp_path / ".b.safetensors.7.partial"
    (tmp_path / ".a.safetensors.7.partial").touch()
    other.touch()
    with sole_writer(output):
        pass
    assert list(tmp_path.iterdir()) == [other]
