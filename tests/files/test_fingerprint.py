"""Other content at the same path has another fingerprint; the same content elsewhere has the same."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from degflow_aug.files import fingerprint as module
from degflow_aug.files.fingerprint import fingerprint


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A file beside a folder of files."""
    (tmp_path / "images/deep").mkdir(parents=True)
    (tmp_path / "weights").write_bytes(bytes(range(200)))
    for number in range(5):
        (tmp_path / f"images/deep/{number}.png").write_bytes(bytes([number]) * 9)
    return tmp_path


@pytest.mark.parametrize("name", ["weights", "images"])
def test_the_same_content_elsewhere(folder: Path, name: str) -> None:
    before = fingerprint(folder / name)
    assert before is not None
    shutil.move(folder / name, folder / "elsewhere")
    assert fingerprint(folder / "elsewhere") == before
    assert fingerprint(folder / name) is None


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "sampled"])
def test_other_weights_of_the_same_size(folder: Path, whole: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not whole:
        monkeypatch.setattr(module, "WHOLE_BYTES", 100)
    before = fingerprint(folder / "weights")
    (folder / "weights").write_bytes(bytes(range(199, -1, -1)))
    assert fingerprint(folder / "weights") != before


def test_other_files_in_a_folder(folder: Path) -> None:
    seen = [fingerprint(folder / "images")]
    (folder / "images/deep/2.png").write_bytes(b"other one")
    seen.append(fingerprint(folder / "images"))
    (folder / "images/deep/2.png").rename(folder / "images/2.png")
    seen.append(fingerprint(folder / "images"))
    (folder / "images/2.png").unlink()
    seen.append(fingerprint(folder / "images"))
    assert len(set(seen)) == 4


def test_links_to_folders_are_followed_and_no_circle_is(folder: Path) -> None:
    (folder / "hr").mkdir()
    (folder / "hr/linked").symlink_to(folder / "images")
    (folder / "images/round").symlink_to(folder / "hr")
    before = fingerprint(folder / "hr")
    (folder / "images/deep/2.png").write_bytes(b"other one")
    assert fingerprint(folder / "hr") != before
    assert fingerprint(folder / "hr", skip=["linked"]) == fingerprint(folder / "images", skip=["deep", "round"])


@pytest.mark.parametrize("share", [1 << 29, 0], ids=["whole", "in pieces"])
@pytest.mark.parametrize("number", [0, 1, 63, 99])
def test_one_of_many_files_is_another_of_the_same_size(
    tmp_path: Path, number: int, share: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FOLDER_BYTES", share)
    monkeypatch.setattr(module, "LEAST_BYTES", 64)
    for each in range(100):
        (tmp_path / f"{each:03}.png").write_bytes(bytes([each]) * 500)
    before = fingerprint(tmp_path)
    (tmp_path / f"{number:03}.png").write_bytes(b"o" * 500)
    assert fingerprint(tmp_path) != before
    (tmp_path / f"{number:03}.png").write_bytes(bytes([number]) * 500)
    assert fingerprint(tmp_path) == before
