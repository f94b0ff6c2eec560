"""Which photograph of a scene is HR, and the scales that names and EXIF give the others."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.shots import shoot

from degflow_aug.alignment.shots import ShotGroup, Shots, read_shots
from degflow_aug.files.image_file import images_in


def scene(folder: Path) -> Shots:
    """The photographs of a folder as one scene."""
    return read_shots(ShotGroup("scene", folder, tuple(images_in(folder))))


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_focal_lengths_tell(tmp_path: Path, suffix: str) -> None:
    for name, length in (("a", 24), ("b", 77), ("c", 13)):
        shoot(tmp_path / f"{name}{suffix}", film=length)
    shots = scene(tmp_path)
    assert shots.hr.stem == "b"
    assert {shot.path.stem: shot.scale for shot in shots.views} == pytest.approx({"a": 77 / 24, "c": 77 / 13})


def test_the_film_equivalent_counts_before_the_lens(tmp_path: Path) -> None:
    """A phone's longer camera has a smaller sensor: 9 mm of it are 77 mm, and 7 mm of the main one 24 mm."""
    shoot(tmp_path / "a.jpg", focal_length=6.9, film=24)
    shoot(tmp_path / "b.jpg", focal_length=6.0, film=77)
    assert scene(tmp_path).hr.stem == "b"


def test_fewer_pixels_of_one_view_are_a_coarser_photograph(tmp_path: Path) -> None:
    shoot(tmp_path / "a.jpg", focal_length=50, side=40)
    shoot(tmp_path / "b.jpg", focal_length=50, side=20)
    shots = scene(tmp_path)
    assert shots.hr.stem == "a"
    assert shots.views[0].scale == pytest.approx(2)


@pytest.mark.parametrize(
    ("names", "scales"),
    [
        (("HR", "x2", "x4"), {"x2": 2, "x4": 4}),
        (("kitchen_hr", "kitchen_x2.9"), {"kitchen_x2.9": 2.9}),
        (("hr", "far"), {"far": None}),
    ],
)
def test_names_tell_without_exif(tmp_path: Path, names: tuple[str, ...], scales: dict[str, float | None]) -> None:
    for name in names:
        shoot(tmp_path / f"{name}.png")
    shots = scene(tmp_path)
    assert shots.hr.stem == names[0]
    assert {shot.path.stem: shot.scale for shot in shots.views} == scales


def test_names_tell_before_exif(tmp_path: Path) -> None:
    """The camera was moved: EXIF says nothing of the scale."""
    for name in ("HR", "x3"):
        shoot(tmp_path / f"{name}.jpg", film=26)
    assert scene(tmp_path).views[0].scale == 3


@pytest.mark.parametrize(
    ("shots", "part"),
    [
        ({"a": 24}, "two photographs or more, got 1"),
        ({"a": None, "b": 24}, "a.jpg: expected a focal length in EXIF, got none"),
        ({"a": 24, "b": 24}, "longest focal length, got a.jpg and b.jpg"),
        ({"HR": 24, "more_hr": 24}, "one photograph named HR, got HR.jpg and more_hr.jpg"),
    ],
)
def test_what_is_not_clear_is_said(tmp_path: Path, shots: dict[str, int | None], part: str) -> None:
    for name, length in shots.items():
        shoot(tmp_path / f"{name}.jpg", film=length)
    with pytest.raises(ValueError, match=part):
        scene(tmp_path)


def test_a_file_that_is_no_photograph_is_named(tmp_path: Path) -> None:
    shoot(tmp_path / "HR.jpg", film=24)
    (tmp_path / "x2.jpg").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"x2\.jpg: expected a PNG"):
        scene(tmp_path)
