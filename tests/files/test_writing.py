from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from degflow_aug.files.writing import PARTIAL_SUFFIX, atomic_path, remove_partial
from degflow_aug.models.training.checkpoint import write_checkpoint


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
