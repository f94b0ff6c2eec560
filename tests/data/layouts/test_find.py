"""Layouts find every scene that is there and name what is not."""

from __future__ import annotations

import string
import tempfile
from pathlib import Path

import numpy as np
import pytest
from helpers import trees
from hypothesis import given, settings
from hypothesis import strategies as st

from degflow_aug.data.layouts.find import Scene, check_aligned, find_scenes


def test_realsr_takes_hr_from_the_lowest_scale(tmp_path: Path) -> None:
    scenes = find_scenes(trees.realsr(tmp_path, ("Canon", "Nikon")), "realsr")
    assert [(scene.camera, scene.name) for scene in scenes] == [
        (camera, f"{camera}_{number:03d}") for camera in ("Canon", "Nikon") for number in (1, 2, 3)
    ]
    folder = tmp_path / "Canon" / "Train"
    assert scenes[0] == Scene(
        "Canon_001",
        "Canon",
        folder / "2" / "Canon_001_HR.png",
        {float(scale): folder / str(scale) / f"Canon_001_LR{scale}.png" for scale in (2, 3, 4)},
    )
    assert scenes[0].scales == (2, 3, 4)
    assert len({scenes[0], scenes[0]}) == 1


def test_split_and_cameras_select(tmp_path: Path) -> None:
    trees.realsr(tmp_path, ("Canon", "Nikon"))
    trees.realsr(tmp_path, ("Canon",), split="Test", count=1)
    assert len(find_scenes(tmp_path, "realsr", split="Test")) == 1
    assert len(find_scenes(tmp_path, "realsr", split="test")) == 1
    assert {scene.camera for scene in find_scenes(tmp_path, "realsr", cameras=["Nikon"])} == {"Nikon"}
    assert len(find_scenes(tmp_path, "realsr", cameras="Canon")) == 3
    with pytest.raises(ValueError, match=r"among Canon, Nikon, got 'Nikkon'; did you mean 'Nikon'\?"):
        find_scenes(tmp_path, "realsr", cameras=["Nikkon"])


def test_fractional_scales_and_prefixed_folders(tmp_path: Path) -> None:
    trees.save(tmp_path / "Sony" / "Train" / "x1.5" / "Sony_a_7_HR.png", np.zeros((8, 8, 3), np.uint8))
    trees.save(tmp_path / "Sony" / "Train" / "x1.5" / "Sony_a_7_LR1.5.png", np.zeros((8, 8, 3), np.uint8))
    (scene,) = find_scenes(tmp_path, "realsr")
    assert (scene.name, scene.scales) == ("Sony_a_7", (1.5,))


def test_realsr_v3_gives_a_scene_a_scale(tmp_path: Path) -> None:
    scenes = find_scenes(trees.realsr_v3(tmp_path), "realsr_v3")
    assert [(scene.name, scene.scales) for scene in scenes] == [
        ("Nikon_001_x2", (2,)), ("Nikon_001_x4", (4,)), ("Nikon_002_x2", (2,)), ("Nikon_002_x4", (4,)),
    ]  # fmt: skip
    for scene in scenes:
        (view,) = scene.views.values()
        assert scene.hr.parent == view.parent
        assert check_aligned(scene) == (12 * scene.scales[0], 16 * scene.scales[0])


def test_city100_in_one_folder_or_one_a_camera(tmp_path: Path) -> None:
    trees.city100(tmp_path / "data" / "phone")
    trees.city100(tmp_path / "data" / "reflex", count=2)
    (tmp_path / "data" / "LICENSE").touch()
    both = find_scenes(tmp_path / "data", "city100")
    assert [(scene.camera, scene.name) for scene in both] == [
        *(("phone", f"{number:03d}") for number in (1, 2, 3, 4)), ("reflex", "001"), ("reflex", "002"),
    ]  # fmt: skip
    assert find_scenes(tmp_path / "data" / "phone", "city100") == both[:4]
    assert both[0].views == {2.9: tmp_path / "data" / "phone" / "001L.PNG"}


def test_the_real_city100(city100: Path) -> None:
    for camera, count, size in (("City100_iPhoneX", 70, (600, 840)), ("City100_NikonD5500", 24, (870, 1218))):
        scenes = find_scenes(city100 / camera, "city100")
        assert len(scenes) == count
        assert {scene.camera for scene in scenes} == {camera}
        assert {check_aligned(scene) for scene in scenes} == {size}
    assert len(find_scenes(city100, "city100")) == 94
    assert len(find_scenes(city100, "city100", cameras="City100_iPhoneX", scenes="001-010")) == 10


def test_pattern_with_cameras(tmp_path: Path) -> None:
    for camera in ("a", "b"):
        for name in ("one", "two"):
            trees.save(tmp_path / camera / "hr" / f"{name}.png", np.zeros((8, 8, 3), np.uint8))
            trees.save(tmp_path / camera / f"{name}-4" / f"{name}_{camera}.jpg", np.zeros((8, 8, 3), np.uint8))
    pattern = {"hr": "{camera}/hr/{id}.png", "views": {"4": "{camera}/{id}-4/{id}_{camera}.jpg"}}
    scenes = find_scenes(tmp_path, "pattern", pattern=pattern)
    assert [(scene.camera, scene.name, scene.scales) for scene in scenes] == [
        (camera, name, (4.0,)) for camera in "ab" for name in ("one", "two")
    ]


def test_pattern_tells_views_from_hr_in_one_folder(tmp_path: Path) -> None:
    for name in ("001.png", "001x2.png", "002.png", "002x2.png"):
        trees.save(tmp_path / name, np.zeros((8, 8, 3), np.uint8))
    scenes = find_scenes(tmp_path, "pattern", pattern={"hr": "{id}.png", "views": {2: "{id}x2.png"}})
    assert [(scene.name, scene.hr.name, scene.views[2].name) for scene in scenes] == [
        ("001", "001.png", "001x2.png"), ("002", "002.png", "002x2.png"),
    ]  # fmt: skip
    assert {scene.camera for scene in scenes} == {tmp_path.name}


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
    "pattern",
    [
        None,
        {"hr": "{id}.png"},
        {"hr": "{id}.png", "views": {}},
        {"hr": "{id}.png", "views": {2: "{name}.png"}},
        {"hr": "hr.png", "views": {2: "{id}.png"}},
        {"hr": "{id}.png", "views": {1: "{id}.png"}},
        {"hr": "{id}.png", "views": {"x2": "{id}.png"}},
        {"hr": "{id}", "views": {2: "{id}.png"}},
        {"hr": "{id}.png", "views": {2: "none/{id}.png"}},
    ],
)
def test_other_patterns_are_refused(tmp_path: Path, pattern: object) -> None:
    trees.save(tmp_path / "001.png", np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(ValueError, match="expected"):
        find_scenes(tmp_path, "pattern", pattern=pattern)  # type: ignore[arg-type]


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


def test_a_view_without_hr_is_named_or_left_out(tmp_path: Path) -> None:
    trees.realsr(tmp_path, scales=(2, 4))
    (tmp_path / "Canon" / "Train" / "2" / "Canon_002_HR.png").unlink()
    with pytest.raises(ValueError, match=r"Canon_002_LR2\.png: expected the HR image of scene 'Canon_002'"):
        find_scenes(tmp_path, "realsr")
    assert len(find_scenes(tmp_path, "realsr", scenes="001,003")) == 2
    assert len(find_scenes(tmp_path, "realsr", drop_without_hr=True)) == 2


def test_two_files_for_one_image_are_refused(tmp_path: Path) -> None:
    trees.city100(tmp_path)
    trees.save(tmp_path / "002H.tif", np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(ValueError, match=r"002H\.\w+: expected one file for this image, got 002H\.\w+ as well"):
        find_scenes(tmp_path, "city100")


def test_a_view_in_the_folder_of_another_scale_is_refused(tmp_path: Path) -> None:
    trees.realsr(tmp_path, scales=(2,))
    (tmp_path / "Canon/Train/2/Canon_001_LR2.png").rename(tmp_path / "Canon/Train/2/Canon_001_LR3.png")
    with pytest.raises(ValueError, match=r"Canon_001_LR3\.png: expected views at scale 2"):
        find_scenes(tmp_path, "realsr")


@pytest.mark.parametrize("layout", ["realsr", "realsr_v3", "city100"])
def test_folders_without_scenes_are_named(tmp_path: Path, layout: str) -> None:
    with pytest.raises(ValueError, match=f"{tmp_path}: expected"):
        find_scenes(tmp_path, layout)
    for path, got in ((tmp_path / "missing", "nothing"), (trees.save(tmp_path / "a.png", np.eye(8) > 0), "a file")):
        with pytest.raises(ValueError, match=f"{path}: expected .* got {got}"):
            find_scenes(path, layout)


def test_an_empty_scale_folder_and_a_camera_folder_are_named(tmp_path: Path) -> None:
    trees.realsr(tmp_path, scales=(2,))
    (tmp_path / "Canon" / "Train" / "3").mkdir()
    with pytest.raises(ValueError, match=r"Train/3: expected \{Cam\}_\{id\}_HR\.png"):
        find_scenes(tmp_path, "realsr")
    with pytest.raises(ValueError, match="the folder of one camera"):
        find_scenes(tmp_path / "Canon", "realsr")
    with pytest.raises(ValueError, match=r"expected folders \{camera\}/Test"):
        find_scenes(tmp_path, "realsr", split="Test")


def test_an_unknown_layout_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"got 'citi100'; did you mean 'city100'\?"):
        find_scenes(tmp_path, "citi100")


def test_sizes_that_differ_are_named(tmp_path: Path) -> None:
    trees.city100(tmp_path)
    trees.save(tmp_path / "003L.PNG", trees.coordinates(48, 63, 0))
    scenes = find_scenes(tmp_path, "city100")
    assert check_aligned(scenes[0]) == (48, 64)
    with pytest.raises(ValueError, match=r"003L\.PNG: expected 48x64 .*003H\.PNG, or 17x22 at scale 2\.9, got 48x63"):
        check_aligned(scenes[2])


@settings(max_examples=25, deadline=None)
@given(
    ids=st.sets(st.integers(0, 9999), min_size=1, max_size=4),
    digits=st.integers(1, 5),
    scales=st.sets(st.sampled_from([1.5, 2.0, 2.9, 3.0, 4.0]), min_size=1),
    camera=st.text(string.ascii_letters + string.digits + "-", min_size=1, max_size=6),
    suffix=st.sampled_from([".png", ".PNG", ".Png", ".tif"]),
    own_hr=st.booleans(),
)
def test_realsr_finds_what_was_made(
    ids: set[int], digits: int, scales: set[float], camera: str, suffix: str, own_hr: bool
) -> None:
    with tempfile.TemporaryDirectory() as root:
        for number in ids:
            for scale in scales:
                stem = Path(root) / f"{camera}x" / "Train" / f"{scale:g}" / f"{camera}_{number:0{digits}d}"
                stem.parent.mkdir(parents=True, exist_ok=True)
                Path(f"{stem}_HR{suffix}").touch()
                Path(f"{stem}_LR{scale:g}{suffix}").touch()
        scenes = find_scenes(root, "realsr_v3" if own_hr else "realsr")
    names = {f"{camera}_{number:0{digits}d}" for number in ids}
    if own_hr:
        assert {(s.name, s.scales) for s in scenes} == {(f"{n}_x{k:g}", (k,)) for n in names for k in scales}
        assert all(s.hr.parent == s.views[s.scales[0]].parent for s in scenes)
    else:
        assert {(s.name, s.scales) for s in scenes} == {(name, tuple(sorted(scales))) for name in names}
        assert all(float(s.hr.parent.name) == min(scales) for s in scenes)
    assert all(path.stem.startswith(s.name[: len(camera) + 1 + digits]) for s in scenes for path in s.views.values())


@settings(max_examples=25, deadline=None)
@given(
    ids=st.sets(st.text(string.ascii_lowercase + string.digits + "-_. ", min_size=1, max_size=8), min_size=1),
    suffix=st.sampled_from(["png", "PNG", "jPeG"]),
)
def test_pattern_finds_what_was_made(ids: set[str], suffix: str) -> None:
    with tempfile.TemporaryDirectory() as root:
        for name in ids:
            for folder in ("hr", "lr"):
                (Path(root) / folder).mkdir(exist_ok=True)
                (Path(root) / folder / f"im {name}.{suffix}").touch()
        template = f"im {{id}}.{suffix.lower()}"
        pattern = {"hr": f"hr/{template}", "views": {2: f"lr/{template}"}}
        scenes = find_scenes(root, "pattern", pattern=pattern)
    assert {scene.name for scene in scenes} == ids
    assert all(scene.hr.name == scene.views[2.0].name for scene in scenes)
