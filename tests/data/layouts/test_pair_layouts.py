"""Every layout finds all pairs and says which file is missing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from helpers import trees

from degflow_aug.data.layouts.pair_layouts import find_pair_scenes
from degflow_aug.data.layouts.scene_pairs import Pair, check_pair, list_pairs, pair_names


def _realarbisr(root: Path, names: dict[str, str] | None = None, split: str = "Train", count: int = 3) -> Path:
    names = names or {"HR": "{id}.png", "LR": "{id}.png"}
    for scale in (1.5, 2.0, 2.5):
        for number in range(1, count + 1):
            lr = trees.coordinates(12, 16, round(10 * scale))
            hr = trees.coordinates(round(12 * scale), round(16 * scale), 10)
            for kind, image in (("HR", hr), ("LR", lr)):
                folder = f"{kind}{scale:g}".replace(".", "dot")
                name = names[kind].format(id=f"{number:03d}", scale=f"{scale:g}")
                trees.save(root / split / folder / name, image)
    return root


@pytest.mark.parametrize("names", [
    {"HR": "{id}.png", "LR": "{id}.png"},
    {"HR": "{id}_HR.png", "LR": "{id}_LR{scale}.png"},
    {"HR": "hr_{id}.png", "LR": "lr_{id}.png"},
    {"HR": "gt-{id}.png", "LR": "camera-{id}.png"},
])  # fmt: skip
def test_realarbisr_as_its_code_reads_it(tmp_path: Path, names: dict[str, str]) -> None:
    root = _realarbisr(tmp_path, names)
    pairs = list_pairs(find_pair_scenes(root, "realarbisr"))
    assert len(pairs) == 9
    for pair in pairs:
        assert pair.hr.parent.name == f"HR{pair.scale:g}".replace(".", "dot")
        assert pair.lr.parent.name == pair.hr.parent.name.replace("HR", "LR")
        assert re.search(r"\d\d\d", pair.hr.stem)[0] == re.search(r"\d\d\d", pair.lr.stem)[0]
        assert pair.name.endswith(f"_x{pair.scale:g}")
        check_pair(pair)
    assert len({pair.name for pair in pairs}) == 9
    assert {pair.scale for pair in list_pairs(find_pair_scenes(root, "realarbisr"), [1.5, 2.5])} == {1.5, 2.5}


def test_realarbisr_names_decide_before_the_order(tmp_path: Path) -> None:
    names = {"HR": "{id}.png", "LR": "{id}.png"}
    root = _realarbisr(tmp_path, names, count=2)
    (root / "Train/LR2/002.png").rename(root / "Train/LR2/000.png")
    (root / "Train/HR2/002.png").rename(root / "Train/HR2/000_HR.png")
    pairs = list_pairs(find_pair_scenes(root, "realarbisr"), [2])
    assert {pair.hr.stem[:3]: pair.lr.stem for pair in pairs} == {"000": "000", "001": "001"}
    assert len(find_pair_scenes(root, "realarbisr", scenes="001")) == 3


def test_realarbisr_that_is_not_whole(tmp_path: Path) -> None:
    root = _realarbisr(tmp_path)
    (root / "Train/LR2/003.png").unlink()
    with pytest.raises(ValueError, match=r"LR2: expected as many images as in .*HR2, 3, got 2; complete the pairs"):
        find_pair_scenes(root, "realarbisr")
    (root / "Train/HR2dot5").rename(root / "Train/other")
    (root / "Train/HR2").rename(root / "Train/another")
    with pytest.raises(ValueError, match=r"LR2: expected folders HR and LR at this scale, got this one alone"):
        find_pair_scenes(root, "realarbisr")
    with pytest.raises(ValueError, match=r"Test: expected folders HR1dot5, LR1dot5"):
        find_pair_scenes(root, "realarbisr", split="Test")


def _folders(root: Path, count: int = 3) -> dict[str, Any]:
    for number in range(count):
        for folder in ("HR", "x2", "x2.9"):
            trees.save(root / folder / "deep" / f"{number:03d}.png", trees.coordinates(8, 8, 0))
    return {"lq": {2: root / "x2", "2.9": str(root / "x2.9")}}


def test_folders_of_equal_names(tmp_path: Path) -> None:
    options = _folders(tmp_path)
    pairs = list_pairs(find_pair_scenes(tmp_path / "HR", "folders", **options))
    assert [pair.name for pair in pairs[:3]] == ["deep/000_x2", "deep/000_x2.9", "deep/001_x2"]
    assert all(pair.lr == tmp_path / f"x{pair.scale:g}" / "deep" / pair.hr.name for pair in pairs)
    assert len(find_pair_scenes(tmp_path / "HR", "folders", scenes="001-002", **options)) == 2


def test_folders_that_lack_an_image(tmp_path: Path) -> None:
    options = _folders(tmp_path)
    (tmp_path / "x2.9/deep/001.png").unlink()
    with pytest.raises(
        ValueError, match=r"x2\.9: expected an LR image for each HR image in .*, got none named deep/001"
    ):
        find_pair_scenes(tmp_path / "HR", "folders", **options)
    options = _folders(tmp_path)
    (tmp_path / "HR/deep/001.png").unlink()
    with pytest.raises(ValueError, match=r"x2/deep/001\.png: expected the HR image of scene 'deep/001'"):
        find_pair_scenes(tmp_path / "HR", "folders", **options)


@pytest.mark.parametrize(("layout", "options", "said"), [
    ("realarbi", {}, r"got 'realarbi'; did you mean 'realarbisr'\?"),
    ("folders", {}, "expected lq"),
    ("folders", {"lq": {}}, "expected lq as folders by scale"),
    ("folders", {"lq": "x2"}, "expected lq as folders by scale"),
    ("folders", {"lq": {1: "x"}}, "expected views by scale above 1"),
    ("folders", {"lq": {2: None}}, "expected lq as folders by scale"),
        ("folders", {"lq": {2: "/nowhere"}}, "/nowhere: expected a folder of images"),
    ("realsr", {"lq": {2: "x"}}, "lq: {2: folder, ...} with layout folders"),
    ("realarbisr", {"pattern": {}}, "expected pattern with layout pattern only"),
])  # fmt: skip
def test_other_options_are_refused(tmp_path: Path, layout: str, options: dict[str, Any], said: str) -> None:
    trees.save(tmp_path / "001.png", trees.coordinates(8, 8, 0))
    with pytest.raises(ValueError, match=said):
        find_pair_scenes(tmp_path, layout, **options)


def test_layouts_of_views(tmp_path: Path) -> None:
    trees.realsr_v3(tmp_path / "v3")
    pairs = list_pairs(find_pair_scenes(tmp_path / "v3", "realsr_v3"))
    assert [pair.name for pair in pairs] == ["Nikon_001_x2", "Nikon_001_x4", "Nikon_002_x2", "Nikon_002_x4"]
    assert [check_pair(pair).hr for pair in pairs] == [(24, 32), (48, 64)] * 2
    assert not any(check_pair(pair).is_view for pair in pairs)
    trees.city100(tmp_path / "city", 2)
    pattern = {"hr": "{id}H.PNG", "views": {2.9: "{id}L.PNG"}}
    by_pattern = list_pairs(find_pair_scenes(tmp_path / "city", "pattern", pattern=pattern))
    assert by_pattern == list_pairs(find_pair_scenes(tmp_path / "city", "city100"))
    assert all(check_pair(pair).is_view for pair in by_pattern)


def test_scenes_of_two_cameras_have_names_of_their_own(tmp_path: Path) -> None:
    trees.city100(tmp_path / "a", 2)
    trees.city100(tmp_path / "b", 1)
    assert pair_names(find_pair_scenes(tmp_path, "city100")) == ["a_001", "002", "b_001"]


def test_hr_images_alone_are_no_pairs(tmp_path: Path) -> None:
    trees.city100(tmp_path, 1)
    (tmp_path / "001L.PNG").unlink()
    with pytest.raises(ValueError, match="expected HR images with LR images, got HR alone"):
        list_pairs(find_pair_scenes(tmp_path, "city100"))


@pytest.mark.parametrize(("size", "good"), [
    ((49, 64), True), ((48, 64), True), ((24, 32), True), ((25, 33), True), ((23, 31), True), ((24, 30), False),
    ((48, 32), False), ((96, 128), False),
])  # fmt: skip
def test_sizes(tmp_path: Path, size: tuple[int, int], good: bool) -> None:
    hr = trees.save(tmp_path / "hr.png", trees.coordinates(49 if size[0] == 49 else 48, 64, 0))
    pair = Pair("a", 2.0, hr, trees.save(tmp_path / "lr.png", trees.coordinates(*size, 0)))
    if good:
        assert check_pair(pair).lr == size
    else:
        with pytest.raises(ValueError, match=r"lr\.png: expected 48x64 pixels"):
            check_pair(pair)
