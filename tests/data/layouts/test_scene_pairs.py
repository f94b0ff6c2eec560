"""Pairs of scenes at one scale, their names and their sizes."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import trees

from degflow_aug.data.layouts.common_part import pair_sizes
from degflow_aug.data.layouts.find import find_pair_scenes
from degflow_aug.data.layouts.scene_pairs import list_pairs, pair_names


def test_layouts_of_views(tmp_path: Path) -> None:
    trees.realsr_v3(tmp_path / "v3")
    pairs = list_pairs(find_pair_scenes(tmp_path / "v3", "realsr_v3"))
    assert [pair.name for pair in pairs] == ["Nikon_001_x2", "Nikon_001_x4", "Nikon_002_x2", "Nikon_002_x4"]
    assert [size.hr for size in pair_sizes(pairs)] == [(24, 32), (48, 64)] * 2
    assert not any(size.is_view for size in pair_sizes(pairs))
    trees.city100(tmp_path / "city", 2)
    pattern = {"hr": "{id}H.PNG", "views": {2.9: "{id}L.PNG"}}
    by_pattern = list_pairs(find_pair_scenes(tmp_path / "city", "pattern", pattern=pattern))
    assert by_pattern == list_pairs(find_pair_scenes(tmp_path / "city", "city100"))
    assert all(size.is_view for size in pair_sizes(by_pattern))


def test_scenes_of_two_cameras_have_names_of_their_own(tmp_path: Path) -> None:
    trees.city100(tmp_path / "a", 2)
    trees.city100(tmp_path / "b", 1)
    assert pair_names(find_pair_scenes(tmp_path, "city100")) == ["a_001", "002", "b_001"]


def test_hr_images_alone_are_no_pairs(tmp_path: Path) -> None:
    trees.city100(tmp_path, 1)
    (tmp_path / "001L.PNG").unlink()
    with pytest.raises(ValueError, match=r"001H\.PNG: expected LR images of scene '001'.* got the HR image alone"):
        find_pair_scenes(tmp_path, "city100")
    with pytest.raises(ValueError, match="expected HR images with LR images, got HR alone"):
        list_pairs(find_pair_scenes(tmp_path, "city100", alone="keep"))
