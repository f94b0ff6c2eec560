from __future__ import annotations

import errno
import fcntl
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from degflow_aug.files.run_history import RunHistory
from degflow_aug.files.tensor_file import write_checkpoint
from degflow_aug.files.writing import (
    PARTIAL_SUFFIX,
    appended,
    atomic_path,
    fitting_name,
    remove_partial,
    sole_writer,
)


def test_the_file_appears_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "weights.bin"
    with atomic_path(path) as partial:
        partial.write_bytes(b"new")
        assert partial.parent == tmp_path
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt])
def test_a_failing_block_leaves_the_old_file(tmp_path: Path, failure: type[BaseException]) -> None:
    path = tmp_path / "weights.bin"
    path.write_bytes(b"old")

    def write_half() -> None:
        with atomic_path(path) as partial:
            partial.write_bytes(b"ha")
            raise failure

    with pytest.raises(failure):
        write_half()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_block_that_writes_nothing_is_an_error_and_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "weights.bin"
    path.write_bytes(b"old")
    with pytest.raises(FileNotFoundError), atomic_path(path):
        pass
    assert path.read_bytes() == b"old"


KILLED = """
import os, sys
from degflow_aug.files.writing import atomic_path
with atomic_path(sys.argv[1]) as partial:
    partial.write_bytes(b"half")
    os._exit(9)
"""


def test_what_a_killed_writer_leaves_is_known_and_removed(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    path = folder / "net.pth"
    path.write_bytes(b"old")
    (folder / "kept.partial").write_bytes(b"of someone else")
    assert subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False).returncode == 9
    assert path.read_bytes() == b"old"
    stray = [file.name for file in folder.iterdir() if file.name not in ("net.pth", "kept.partial")]
    assert len(stray) == 1
    assert stray[0].startswith(".net.pth.")
    assert stray[0].endswith(PARTIAL_SUFFIX)
    assert remove_partial(tmp_path) == 1
    assert {file.name for file in folder.iterdir()} == {"net.pth", "kept.partial"}
    assert remove_partial(tmp_path) == remove_partial(tmp_path / "absent") == 0


def test_a_full_disk_is_an_error_that_names_the_file_and_keeps_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    write_checkpoint(path, {"params": torch.zeros(3)})
    old = path.read_bytes()
    with limited_files(2000), pytest.raises(OSError, match="File too large") as caught:
        write_checkpoint(path, {"params": torch.zeros(3000)})
    assert caught.value.filename == str(path)
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]
    with limited_files(2), pytest.raises(OSError, match="File too large") as caught, atomic_path(path) as partial:
        partial.write_text("more than that")
    assert caught.value.filename == str(path)


@contextmanager
def limited_files(size: int) -> Iterator[None]:
    """Let no file grow beyond so many bytes, which fails as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


HOLD = """
import os, sys, time
from degflow_aug.files.writing import sole_writer
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
    # The folder that the first has made is empty, and goes with it.
    assert list(tmp_path.iterdir()) == []
    output.parent.mkdir()
    with sole_writer(output):
        assert [path.name for path in output.parent.iterdir()] == [".camera.safetensors.lock"]
    assert list(output.parent.iterdir()) == []
    with sole_writer(tmp_path / "a" / "b" / "c"):
        (tmp_path / "a" / "written").touch()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["written"]


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


LONG_NAMES = ["m" * 240, "k" * 251 + ".png", "x" * 255, "写" * 85, os.fsdecode(b"\xff" * 250)]


@pytest.mark.parametrize("name", LONG_NAMES)
def test_any_name_that_a_file_system_takes_can_be_written(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    with sole_writer(path), atomic_path(path) as partial:
        partial.write_bytes(b"new")
    assert [each.name for each in tmp_path.iterdir()] == [name]
    assert path.read_bytes() == b"new"


def test_leftovers_of_long_names_are_told_apart(tmp_path: Path) -> None:
    names = [f"{'n' * 230}{index}.png" for index in range(2)]
    stray = []
    for name in names:
        with atomic_path(tmp_path / name) as partial:
            partial.write_bytes(b"")
        stray.append(partial)
        partial.write_bytes(b"half")
    with sole_writer(tmp_path / names[0]):
        assert not stray[0].exists()
        assert stray[1].exists()
    assert remove_partial(tmp_path) == 1


@pytest.mark.parametrize("ending", [".report.html", "_preview.html", ".png"])
def test_names_are_cut_only_where_there_is_no_room(ending: str) -> None:
    assert fitting_name("写真", ending) == f"写真{ending}"
    cut = [fitting_name(stem, ending) for stem in ("n" * 254, "n" * 255, "写" * 85)]
    assert len(set(cut)) == 3
    assert all(len(os.fsencode(name)) <= 255 and name.endswith(ending) for name in cut)


def test_a_link_in_place_of_the_temporary_file_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("precious")
    (tmp_path / f".a.png.{os.getpid()}{PARTIAL_SUFFIX}").symlink_to(precious)
    (tmp_path / "a.png").symlink_to(precious)
    with atomic_path(tmp_path / "a.png") as partial:
        partial.write_text("new")
    assert precious.read_text() == "precious"
    assert not (tmp_path / "a.png").is_symlink()


@pytest.mark.parametrize("there", [True, False])
def test_a_link_in_place_of_a_file_of_lines_is_refused(there: bool, tmp_path: Path) -> None:
    precious, link = tmp_path / "precious", tmp_path / "lines.jsonl"
    if there:
        precious.write_text("precious")
    link.symlink_to(precious)
    refusal = pytest.raises(ValueError, match=r"lines\.jsonl: expected a file, got a link to .*precious; remove it")
    with refusal, appended(link):
        pass
    with pytest.raises(ValueError, match="expected a file, got a link"):
        RunHistory(link)
    assert precious.exists() == there
    link.unlink()
    for _ in range(2):
        with appended(link) as file:
            file.write(b"line\n")
    assert link.read_text() == "line\nline\n"
