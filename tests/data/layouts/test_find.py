"""Layouts find every scene that is there and name what is not."""

from __future__ import annotations

import re
import string
import tempfile
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import trees
from hypothesis import given, settings
from hypothesis import strategies as st

from degflow_aug.data.layouts import PAIR_LAYOUTS
from degflow_aug.data.layouts.common_part import pair_sizes, scene_sizes
from degflow_aug.data.layouts.find import find_pair_scenes, find_scenes
from degflow_aug.data.layouts.scene import Scene
from degflow_aug.data.layouts.scene_pairs import list_pairs


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


@pytest.mark.parametrize("other", [
    np.flipud(trees.coordinates(48, 64, 10)), trees.coordinates(48, 60, 10), np.zeros((48, 64, 3), np.uint8),
    trees.coordinates(64, 48, 10),
])  # fmt: skip
@pytest.mark.parametrize("find", [find_scenes, find_pair_scenes])
def test_realsr_with_another_hr_at_another_scale(tmp_path: Path, other: np.ndarray, find: Any) -> None:
    trees.realsr(tmp_path)
    trees.save(tmp_path / "Canon/Train/4/Canon_002_HR.png", other)
    with pytest.raises(ValueError, match=r"4/Canon_002_HR\.png: expected the same HR .*2/Canon_002.*realsr_v3"):
        find(tmp_path, "realsr")
    assert len(find(tmp_path, "realsr", scenes="001,003")) == 2
    assert len(find(tmp_path, "realsr_v3")) == 9


def test_realsr_with_hr_written_or_registered_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    trees.realsr(tmp_path, count=1)
    folder = tmp_path / "Canon/Train"
    (folder / "3/Canon_001_HR.png").unlink()
    trees.save(folder / "3/Canon_001_HR.tif", trees.coordinates(48, 64, 10))
    assert find_scenes(tmp_path, "realsr")[0].scales == (2, 3, 4)
    assert caplog.text == ""
    trees.save(folder / "4/Canon_001_HR.png", np.roll(trees.coordinates(48, 64, 10), 1, 0))
    assert find_scenes(tmp_path, "realsr")[0].scales == (2, 3, 4)
    assert "4: HR images differ a little from those of" in caplog.text


def test_the_paper_takes_scenes_by_their_names_and_views(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    trees.realsr(tmp_path, ("Canon", "Nikon"))
    folder = tmp_path / "Canon/Train"
    for name in ("Canon_004b", "Canon_004_crop", "Nikon_004"):
        for scale in (2, 3, 4):
            for kind in ("HR", f"LR{scale}"):
                trees.save(folder / f"{scale}/{name}_{kind}.png", trees.coordinates(48, 64, 10))
    (folder / "3/Canon_002_LR3.png").unlink()
    trees.save(folder / "1.5/Canon_001_HR.png", trees.coordinates(20, 20, 10))
    trees.save(folder / "4/Canon_001_HR.png", np.zeros((48, 64, 3), np.uint8))
    canon, *others = find_scenes(tmp_path, "realsr_paper")
    assert canon.hr == folder / "2/Canon_001_HR.png"
    assert canon.scales == (2, 3, 4)
    assert [each.name for each in others] == ["Canon_003", *(f"Nikon_{number:03d}" for number in (1, 2, 3))]
    assert "Canon_002_HR.png" in caplog.text
    for left in folder.glob("3/*"):
        left.unlink()
    assert {each.camera for each in find_scenes(tmp_path, "realsr_paper")} == {"Nikon"}
    with pytest.raises(ValueError, match="expected cameras among Nikon, got 'Canon'"):
        find_scenes(tmp_path, "realsr_paper", cameras=["Canon"])
    (folder / "3").rmdir()
    find_scenes(tmp_path, "realsr_paper")
    assert f"{folder.parent}: left out" in caplog.text
    assert f"there is no {folder / '3'}" in caplog.text


TRUE = {2: 2.1, 4.0: 3.75}


@pytest.mark.parametrize("find", [find_scenes, find_pair_scenes])
def test_true_scales_take_the_place_of_labels(find: Any, tmp_path: Path) -> None:
    labelled = find(trees.realsr(tmp_path), "realsr")
    found = find(tmp_path, "realsr", true_scales=TRUE)
    assert [scene.scales for scene in found] == [(2.1, 3, 3.75)] * 3
    for scene, before in zip(found, labelled, strict=True):
        assert [*scene.views.values()] == [*before.views.values()]
        assert (scene.name, scene.hr) == (before.name, before.hr)
    with pytest.raises(ValueError, match="scales by the labels of the pairs, 2, 3, 4, got 8; take it out"):
        find(tmp_path, "realsr", true_scales={8: 7.5})
    with pytest.raises(ValueError, match="expected views by scale above 1"):
        find(tmp_path, "realsr", true_scales={2: 0.5})
    with pytest.raises(ValueError, match="expected one file for this image"):
        find(tmp_path, "realsr", true_scales={2: 3})


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
        assert scene_sizes([scene], scene.scales)[0][0] == (12 * scene.scales[0], 16 * scene.scales[0])


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
        assert {found for found, _ in scene_sizes(scenes, [2.9])} == {size}
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


def test_a_view_in_the_folder_of_another_scale_is_refused(tmp_path: Path) -> None:
    trees.realsr(tmp_path, scales=(2,))
    (tmp_path / "Canon/Train/2/Canon_001_LR2.png").rename(tmp_path / "Canon/Train/2/Canon_001_LR3.png")
    with pytest.raises(ValueError, match=r"Canon_001_LR3\.png: expected views at scale 2"):
        find_scenes(tmp_path, "realsr")


def test_an_empty_scale_folder_and_a_camera_folder_are_named(tmp_path: Path) -> None:
    trees.realsr(tmp_path, scales=(2,))
    (tmp_path / "Canon" / "Train" / "3").mkdir()
    with pytest.raises(ValueError, match=r"Train/3: expected \{Cam\}_\{id\}_HR\.png"):
        find_scenes(tmp_path, "realsr")
    with pytest.raises(ValueError, match="the folder of one camera"):
        find_scenes(tmp_path / "Canon", "realsr")
    with pytest.raises(ValueError, match=r"expected folders \{camera\}/Test"):
        find_scenes(tmp_path, "realsr", split="Test")


@pytest.mark.parametrize("layout", PAIR_LAYOUTS)
def test_folders_without_scenes_are_named(tmp_path: Path, layout: str) -> None:
    options: dict[str, Any] = {"lq": {2: tmp_path}} if layout == "folders" else {}
    pattern = {"hr": "{id}.png", "views": {2: "{id}x2.png"}} if layout == "pattern" else None
    with pytest.raises(ValueError, match=f"^{tmp_path}.*: expected"):
        find_pair_scenes(tmp_path, layout, pattern=pattern, **options)
    for path, got in ((tmp_path / "missing", "nothing"), (trees.save(tmp_path / "a.png", np.eye(8) > 0), "a file")):
        with pytest.raises(ValueError, match=f"{path}: expected .* got {got}"):
            find_pair_scenes(path, layout, pattern=pattern, **options)


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
    {"HR": "{id}.png", "LR": "{id}x{scale}.png"},
    {"HR": "HR_{id}.png", "LR": "LR{scale}_{id}.png"}, {"HR": "HR{scale}-{id}.png", "LR": "{id}_LR.png"},
    {"HR": "a_HR_{id}.png", "LR": "a_LR_x{scale}_{id}.png"}, {"HR": "{id}_hr_{id}.png", "LR": "{id}_{id}_x{scale}.png"},
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
    pair_sizes(pairs)
    assert len({pair.name for pair in pairs}) == 9
    assert {pair.scale for pair in list_pairs(find_pair_scenes(root, "realarbisr"), [1.5, 2.5])} == {1.5, 2.5}


def test_realarbisr_parts_what_stands_around_a_mark(tmp_path: Path) -> None:
    root = _realarbisr(tmp_path, {"HR": "{id}_HR_2.png", "LR": "{id}_LR_2.png"}, count=1)
    trees.save(root / "Train/HR2/0012_HR.png", trees.coordinates(24, 32, 10))
    with pytest.raises(ValueError, match=r"HR2/0012_HR\.png: expected LR images of scene"):
        find_pair_scenes(root, "realarbisr")


def test_realarbisr_is_paired_by_name_and_never_by_order(tmp_path: Path) -> None:
    names = {"HR": "{id}.png", "LR": "{id}.png"}
    root = _realarbisr(tmp_path, names, count=2)
    (root / "Train/LR2/002.png").rename(root / "Train/LR2/000.png")
    (root / "Train/HR2/002.png").rename(root / "Train/HR2/000_HR.png")
    pairs = list_pairs(find_pair_scenes(root, "realarbisr"), [2])
    assert {pair.hr.stem[:3]: pair.lr.stem for pair in pairs} == {"000": "000", "001": "001"}
    assert len(find_pair_scenes(root, "realarbisr", scenes="001")) == 3
    (root / "Train/LR2/001.png").rename(root / "Train/LR2/three.png")
    with pytest.raises(ValueError, match=r"LR2/three\.png: expected the HR image .*HR2/001\.png is alone as well"):
        find_pair_scenes(root, "realarbisr")


def test_realarbisr_that_is_not_whole(tmp_path: Path) -> None:
    root = _realarbisr(tmp_path)
    (root / "Train/LR2/003.png").unlink()
    with pytest.raises(ValueError, match=r"HR2/003\.png: expected LR images of scene '003_x2' to go with it"):
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


_ONE, _TWO = (unicodedata.normalize(form, "caf\u00e9 7") for form in ("NFC", "NFD"))


@pytest.mark.parametrize(("hr", "lr"), [("1", "001"), ("a_010", "a_10"), (_ONE, _TWO), (_TWO, _ONE.replace("7", "07"))])
@pytest.mark.parametrize("layout", ["pattern", "folders", "realarbisr", "realsr"])
def test_numbers_are_numbers_and_accents_are_accents(tmp_path: Path, layout: str, hr: str, lr: str) -> None:
    """Beside it a scene whose names agree to the letter."""
    places = {
        "pattern": ("HR/{}.png", "LR2/{}.png"), "folders": ("HR/{}.png", "LR2/{}.png"),
        "realarbisr": ("Train/HR2/{}.png", "Train/LR2/{}.png"),
        "realsr": ("a/Train/2/{}_HR.png", "a/Train/2/{}_LR2.png"),
    }[layout]  # fmt: skip
    for place, name in zip(places, (hr, lr), strict=True):
        for text in (name, "b2"):
            (tmp_path / place.format(text)).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / place.format(text)).touch()
    root = tmp_path / "HR" if layout == "folders" else tmp_path
    options: dict[str, Any] = {"lq": {2: tmp_path / "LR2"}} if layout == "folders" else {}
    if layout == "pattern":
        options["pattern"] = {"hr": "HR/{id}.png", "views": {2: "LR2/{id}.png"}}
    found = {scene.hr.name: scene.views[2.0].name for scene in find_pair_scenes(root, layout, **options)}
    suffixes = ("_HR.png", "_LR2.png") if layout == "realsr" else (".png", ".png")
    assert found == {name + suffixes[0]: other + suffixes[1] for name, other in ((hr, lr), ("b2", "b2"))}


@pytest.mark.parametrize(("hr", "lr", "joined"), [
    ("IMG001", "IMG1", True), ("a-007_2", "a-7_02", True), ("v 01/1.crop", "v 1/001.crop", True), ("00", "0", True),
    ("a1.5", "a1.05", False), ("f00d1", "f0d1", False), ("1e3", "01e3", False), ("a\u00b2", "a2", False),
    ("img1x02", "img1x2", False), ("1,5", "1,05", False),
])  # fmt: skip
def test_counters_alone_are_numbers(tmp_path: Path, hr: str, lr: str, joined: bool) -> None:
    for place in (tmp_path / "HR" / f"{hr}.png", tmp_path / "LR" / f"{lr}.png"):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    if joined:
        assert len(find_pair_scenes(tmp_path / "HR", "folders", lq={2: tmp_path / "LR"})) == 1
        return
    with pytest.raises(ValueError, match="expected the HR image of scene"):
        find_pair_scenes(tmp_path / "HR", "folders", lq={2: tmp_path / "LR"})


@pytest.mark.parametrize("lq", [{2: "HR"}, {2: "link"}, {2: "LR", 4: "link"}, {2: "LR", 4: "LR"}])
def test_an_image_is_not_its_own_lr(tmp_path: Path, lq: dict[int, str]) -> None:
    for folder in ("HR", "LR"):
        trees.save(tmp_path / folder / "a.png", np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "link").symlink_to(tmp_path / "HR")
    places = {scale: tmp_path / folder for scale, folder in lq.items()}
    with pytest.raises(
        ValueError, match=r"a\.png: expected an image of its own for scale \d of scene 'a', got the file"
    ):
        find_pair_scenes(tmp_path / "HR", "folders", lq=places)
    pattern = {"hr": "HR/{id}.png", "views": {scale: f"{folder}/{{id}}.png" for scale, folder in lq.items()}}
    with pytest.raises(ValueError, match=r"a template of its own|an image of its own|LR/\{id\}\.png, got none"):
        find_scenes(tmp_path, "pattern", pattern=pattern)


@pytest.mark.parametrize(("layout", "first", "second"), [
    ("realarbisr", "Train/{}2", "Train/{}2.0"), ("realarbisr", "Train/{}1dot5", "Train/{}1.5"),
    ("realsr", "a/Train/2", "a/Train/x2.0"), ("realsr_v3", "a/Train/2", "a/Train/x2"),
])  # fmt: skip
def test_two_folders_of_one_scale(tmp_path: Path, layout: str, first: str, second: str) -> None:
    for number, folder in enumerate((first, second)):
        for kind in ("HR", "LR"):
            name = f"a_{number}_{kind}{'2' * (kind == 'LR')}.png"
            trees.save(tmp_path / folder.format(kind) / name, np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(ValueError, match=r"expected one place for scale .* as well; keep one"):
        find_pair_scenes(tmp_path, layout)


def test_two_names_of_one_scale(tmp_path: Path) -> None:
    trees.save(tmp_path / "a.png", np.zeros((8, 8, 3), np.uint8))
    two: dict[Any, str] = {2: f"{tmp_path}/x", "2.0": f"{tmp_path}/y"}
    with pytest.raises(ValueError, match=r"y: expected one place for scale 2, got .*x as well"):
        find_pair_scenes(tmp_path, "folders", lq=two)
    with pytest.raises(ValueError, match="expected one place for scale 2"):
        find_scenes(tmp_path, "pattern", pattern={"hr": "{id}.png", "views": {2: "{id}x2.png", "2.0": "{id}x.png"}})


def test_names_that_could_be_of_several_are_not_guessed(tmp_path: Path) -> None:
    pattern = {"hr": "HR/{id}.png", "views": {2: "LR2/{id}.png"}}
    for name in ("HR/1.png", "HR/001.png", "LR2/1.png", "LR2/01.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(ValueError, match=r"LR2/01\.png: expected the HR image .*HR/001\.png is alone as well"):
        find_scenes(tmp_path, "pattern", pattern=pattern)
    (tmp_path / "LR2/01.png").rename(tmp_path / "LR2/001.png")
    scenes = find_scenes(tmp_path, "pattern", pattern=pattern)
    assert [(scene.hr.name, scene.views[2.0].name) for scene in scenes] == [("001.png",) * 2, ("1.png",) * 2]


@pytest.mark.parametrize(("layout", "options", "said"), [
    ("citi100", {}, r"got 'citi100'; did you mean 'city100'\?"),
    ("realarbi", {}, r"got 'realarbi'; did you mean 'realarbisr'\?"),
    (["city100"], {}, "got '.'city100'.'"),
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
