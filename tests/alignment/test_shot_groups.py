"""Which photographs are of one scene: by folders, by names, and by the order of time and focal lengths."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.shots import shoot

from degflow_aug.alignment.shot_groups import find_shot_groups
from degflow_aug.alignment.shots import read_shots


def found(root: Path) -> dict[str, list[str]]:
    return {group.name: [path.stem for path in group.paths] for group in find_shot_groups(root)}


def test_folders_are_scenes(tmp_path: Path) -> None:
    for name in ("b", "a", ".hidden"):
        shoot(tmp_path / name / "HR.png")
    assert found(tmp_path) == {"a": ["HR"], "b": ["HR"]}


def test_names_begin_with_the_scene(tmp_path: Path) -> None:
    for name in ("wall_HR", "wall_x2", "wall_x4", "a x1-hr", "a x1-x2.5", "HR", "x2"):
        shoot(tmp_path / "shots" / f"{name}.png")
    scenes = {"shots": ["HR", "x2"], "a x1": ["a x1-hr", "a x1-x2.5"], "wall": ["wall_HR", "wall_x2", "wall_x4"]}
    assert found(tmp_path / "shots") == scenes


@pytest.mark.parametrize(
    ("lengths", "scenes"),
    [
        ([100, 50, 100, 50], {"0": ["0", "1"], "2": ["2", "3"]}),
        # Who zooms to and fro.
        ([100, 50, 35, 35, 50, 100], {"0": ["0", "1", "2"], "3": ["3", "4", "5"]}),
        # One of a scene is missing, which read_shots says.
        ([50, 50, 100], {"0": ["0"], "1": ["1", "2"]}),
        ([100, 50, 101, 35], {"0": ["0", "1"], "2": ["2", "3"]}),
    ],
)
def test_a_focal_length_that_comes_again_begins_a_scene(
    tmp_path: Path, lengths: list[int], scenes: dict[str, list[str]]
) -> None:
    for index, length in enumerate(lengths):
        shoot(tmp_path / f"{index}.jpg", film=length)
    assert found(tmp_path) == scenes


def test_numbers_in_names_count_as_numbers(tmp_path: Path) -> None:
    for name, length in {"IMG_9": 77, "IMG_10": 24, "IMG_99": 77, "IMG_100": 24}.items():
        shoot(tmp_path / f"{name}.jpg", film=length)
    assert found(tmp_path) == {"IMG_9": ["IMG_9", "IMG_10"], "IMG_99": ["IMG_99", "IMG_100"]}


def test_time_counts_before_names_where_all_have_one(tmp_path: Path) -> None:
    """A counter that began anew: IMG_9998, IMG_9999, IMG_0001, IMG_0002."""
    shots = {"IMG_9998": 77, "IMG_9999": 24, "IMG_0001": 77, "IMG_0002": 24}
    for second, (name, length) in enumerate(shots.items()):
        shoot(tmp_path / f"{name}.jpg", film=length, time=f"2026:11:30 10:00:{second:02}")
    assert found(tmp_path) == {"IMG_9998": ["IMG_9998", "IMG_9999"], "IMG_0001": ["IMG_0001", "IMG_0002"]}
    shots_of_first = read_shots(find_shot_groups(tmp_path)[0])
    assert shots_of_first.hr.stem == "IMG_9998"
    assert shots_of_first.views[0].scale == pytest.approx(77 / 24)


@pytest.mark.parametrize(
    ("lengths", "part"),
    [
        ({"a": 24, "b": None}, "b.jpg: expected a focal length in EXIF, got none; give each scene a folder, or name"),
        ({"a": 24, "b": 24}, "at two focal lengths, got all at one"),
    ],
)
def test_photographs_that_nothing_groups_are_refused(tmp_path: Path, lengths: dict[str, int | None], part: str) -> None:
    for name, length in lengths.items():
        shoot(tmp_path / f"{name}.jpg", film=length)
    with pytest.raises(ValueError, match=part):
        find_shot_groups(tmp_path)


@pytest.mark.parametrize("there", ["nothing", "file", "empty"])
def test_a_place_without_photographs_is_refused(tmp_path: Path, there: str) -> None:
    root = tmp_path / "shots"
    if there == "file":
        root.write_text("")
    elif there == "empty":
        (root / "scene").mkdir(parents=True)
    with pytest.raises(ValueError, match="shots: expected a folder"):
        find_shot_groups(root)
