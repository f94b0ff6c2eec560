"""A name that looks like another is told apart from one that is not there."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from degflow_aug.data.layouts.find import find_pair_scenes, find_scenes
from degflow_aug.files.alike import look_alike
from degflow_aug.files.image_file import read_image
from degflow_aug.files.image_tree import find_images

COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "caf\u00e9") for form in ("NFC", "NFD"))


@pytest.mark.parametrize(("there", "asked"), [(COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED)])
def test_what_is_not_there_and_what_looks_like_it(tmp_path: Path, there: str, asked: str) -> None:
    (tmp_path / there).mkdir()
    for refused in (
        lambda: read_image(tmp_path / asked / "a.png"),
        lambda: find_images(tmp_path / asked),
        lambda: find_scenes(tmp_path / asked, "city100"),
    ):
        with pytest.raises(ValueError, match=r"looks the same, with accents in another Unicode form"):
            refused()


def test_two_that_look_alike(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in (COMPOSED, DECOMPOSED):
        (tmp_path / f"{name}.png").touch()
    assert len(find_images(tmp_path)) == 2
    assert f"two files look alike, {COMPOSED}, " in caplog.text
    for name in ("HR", "L"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{COMPOSED}.png").touch()
    (tmp_path / "HR" / f"{DECOMPOSED}.png").touch()
    with pytest.raises(ValueError, match="got the HR image alone; another one looks the same, with accents"):
        find_pair_scenes(tmp_path / "HR", "folders", lq={2: tmp_path / "L"})


def test_nothing_looks_like_it(tmp_path: Path) -> None:
    (tmp_path / "cafe").mkdir()
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    for name in (COMPOSED, "cafe", "nowhere"):
        assert look_alike(tmp_path / name) == ""
