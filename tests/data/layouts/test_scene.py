"""Scenes: selected by camera, id and range, whole, and of sizes that fit."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from helpers import trees

from degflow_aug.data.layouts.common_part import scene_sizes
from degflow_aug.data.layouts.find import find_scenes


def test_split_and_cameras_select(tmp_path: Path) -> None:
    trees.realsr(tmp_path, ("Canon", "Nikon"))
    trees.realsr(tmp_path, ("Canon",), split="Test", count=1)
    assert len(find_scenes(tmp_path, "realsr", split="Test")) == 1
    assert len(find_scenes(tmp_path, "realsr", split="test")) == 1
    assert {scene.camera for scene in find_scenes(tmp_path, "realsr", cameras=["Nikon"])} == {"Nikon"}
    assert len(find_scenes(tmp_path, "realsr", cameras="Canon")) == 3
    with pytest.raises(ValueError, match=r"among Canon, Nikon, got 'Nikkon'; did you mean 'Nikon'\?"):
        find_scenes(tmp_path, "realsr", cameras=["Nikkon"])


def test_ranges_may_be_of_one_camera(tmp_path: Path) -> None:
    for camera in ("a", "b"):
        for name in ("001", "002", "003"):
            trees.save(tmp_path / camera / f"{name}.png", np.zeros((8, 8, 3), np.uint8))
            trees.save(tmp_path / camera / f"{name}x2.png", np.zeros((8, 8, 3), np.uint8))
    pattern = {"hr": "{camera}/{id}.png", "views": {2: "{camera}/{id}x2.png"}}

    def found(wish: str) -> list[str]:
        return [
            f"{scene.camera}{scene.name}" for scene in find_scenes(tmp_path, "pattern", pattern=pattern, scenes=wish)
        ]

    assert found("a/001-002,b/003") == ["a001", "a002", "b003"]
    assert found("b/002-003,001") == ["a001", "b001", "b002", "b003"]
    with pytest.raises(ValueError, match="scenes to select by 'c/001-003'"):
        found("c/001-003")


@pytest.mark.parametrize(
    ("wish", "numbers"),
    [
        ("001-003", [1, 2, 3]),
        ("1-2,5", [1, 2, 5]),
        ("004", [4]),
        ("4", [4]),
        (["Canon_002", "5-99"], [2, 5, 6]),
        ("2, 002", [2]),
    ],
)
def test_scenes_are_selected_by_id(tmp_path: Path, wish: str, numbers: list[int]) -> None:
    trees.realsr(tmp_path, scales=(2,), count=6, size=(8, 8))
    scenes = find_scenes(tmp_path, "realsr", scenes=wish)
    assert [scene.name for scene in scenes] == [f"Canon_{number:03d}" for number in numbers]


@pytest.mark.parametrize(
    ("wish", "said"),
    [("7-9", "'7-9'"), ("Canon_01", "mean 'Canon_001'"), (57, "57; quote it"), ([1], r"\[1\]; quote"), ([], "quote")],
)
def test_selections_of_nothing_are_refused(tmp_path: Path, wish: object, said: str) -> None:
    trees.realsr(tmp_path, scales=(2,), count=6, size=(8, 8))
    with pytest.raises(ValueError, match=said):
        find_scenes(tmp_path, "realsr", scenes=wish)  # type: ignore[arg-type]


def test_accents_are_selected_in_either_form(tmp_path: Path) -> None:
    composed, decomposed = (unicodedata.normalize(form, "caf\u00e9") for form in ("NFC", "NFD"))
    for name in (f"{decomposed}H", f"{decomposed}L", "otherH", "otherL"):
        trees.save(tmp_path / composed / f"{name}.png", np.zeros((8, 8, 3), np.uint8))
    pattern = {"hr": f"{decomposed}/{{id}}H.png", "views": {2: f"{composed}/{{id}}L.png"}}
    assert len(find_scenes(tmp_path, "pattern", pattern=pattern, scenes=composed)) == 1
    for number in (1, 2):
        trees.city100(tmp_path / "cameras" / f"{number}{decomposed}", 1)
    assert len(find_scenes(tmp_path / "cameras", "city100", cameras=f"1{composed}", scenes=f"1{composed}/001")) == 1


def test_a_view_without_hr_is_named_or_left_out(tmp_path: Path) -> None:
    trees.realsr(tmp_path, scales=(2, 4))
    (tmp_path / "Canon" / "Train" / "2" / "Canon_002_HR.png").unlink()
    with pytest.raises(ValueError, match=r"Canon_002_LR2\.png: expected the HR image of scene 'Canon_002'"):
        find_scenes(tmp_path, "realsr")
    assert len(find_scenes(tmp_path, "realsr", scenes="001,003")) == 2
    assert len(find_scenes(tmp_path, "realsr", alone="drop")) == 2


def test_two_files_for_one_image_are_refused(tmp_path: Path) -> None:
    trees.city100(tmp_path)
    trees.save(tmp_path / "002H.tif", np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(ValueError, match=r"002H\.\w+: expected one file for this image, got 002H\.\w+ as well"):
        find_scenes(tmp_path, "city100")


def test_sizes_that_differ_are_named(tmp_path: Path) -> None:
    trees.city100(tmp_path)
    trees.save(tmp_path / "003L.PNG", trees.coordinates(48, 63, 0))
    scenes = find_scenes(tmp_path, "city100")
    assert scene_sizes(scenes[:1], [2.9])[0][0] == (48, 64)
    with pytest.raises(ValueError, match=r"003L\.PNG: expected 48x64 .*003H\.PNG, or 17x22 at scale 2\.9, got 48x63"):
        scene_sizes(scenes, [2.9])
