"""Image files below a folder, the names they get, and the line that says what is left out."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import trees

from degflow_aug.alignment.shot_groups import find_shot_groups
from degflow_aug.cli import main
from degflow_aug.data.hr_crop_dataset import HRCropDataset
from degflow_aug.data.layouts.find import find_pair_scenes
from degflow_aug.files import image_tree
from degflow_aug.files.image_tree import FORMAT, MANIFEST, find_images, say_left_out


def touch(root: Path, *names: str) -> Path:
    """Empty files below ``root``."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def names(root: Path, skip: Path | None = None) -> list[str]:
    """Names of the images found."""
    return [image.name for image in find_images(root, skip)]


def test_names_are_relative_and_sorted(tmp_path: Path) -> None:
    touch(tmp_path, "b.png", "a.JPG", "c/a.tif", "c/d/x.y.png", "notes.txt", ".hidden.png", ".git/z.png")
    assert names(tmp_path) == ["a", "b", "c/a", "c/d/x.y"]
    assert next(image.path for image in find_images(tmp_path)) == tmp_path / "a.JPG"


def test_one_file(tmp_path: Path) -> None:
    touch(tmp_path, "b.png", "a.png")
    assert names(tmp_path / "b.png") == ["b"]


def test_a_folder_can_be_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "out/2/a.png")
    assert names(tmp_path, tmp_path / "c" / ".." / "out") == ["a"]


@pytest.mark.parametrize("made", ["lr", "a/b/up scaled"])
def test_what_was_made_of_other_images_is_left_out_with_a_word(
    tmp_path: Path, made: str, caplog: pytest.LogCaptureFixture
) -> None:
    touch(tmp_path, "a.png", f"{made}/2/a.png", "mine/b.png")
    (tmp_path / "mine" / MANIFEST).write_text("{}")
    (tmp_path / made / MANIFEST).write_text(json.dumps({"format": FORMAT}))
    assert names(tmp_path) == ["a", "mine/b"]
    assert f"left out {tmp_path / made}, which degflow has made of other images" in caplog.text
    assert names(tmp_path / made) == ["2/a"]
    assert names(tmp_path / made / "2") == ["a"]


def test_two_suffixes_of_one_name_are_refused(tmp_path: Path) -> None:
    touch(tmp_path, "sub/a.png", "sub/a.jpg")
    with pytest.raises(ValueError, match=r"a\.png: expected one image a name, got a\.jpg as well"):
        find_images(tmp_path)


def test_links_are_followed_once(tmp_path: Path) -> None:
    touch(tmp_path / "elsewhere", "x.png")
    hr = touch(tmp_path / "hr", "a.png")
    (hr / "linked").symlink_to(tmp_path / "elsewhere")
    (hr / "round").symlink_to(hr)
    assert names(hr) == ["a", "linked/x"]


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_nothing_there(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=f"{name}: expected .*images"):
        find_images(tmp_path / name)


IMAGE = np.zeros((16, 16, 3), np.uint8)


def _said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if "left out" in record.message]


def _put(root: Path, *names: str) -> None:
    for name in names:
        if name.endswith((".png", ".PNG")):
            trees.save(root / name, IMAGE)
        else:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).touch()


def test_a_line_per_folder_and_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_tree, "_UNREAD_HEIC", (".heic",))
    _put(tmp_path, "a.png", "b.dng", "c/d.HEIC", "c/e.heic", "f", ".DS_Store", "._a.png", "a.png.txt")
    for _ in range(2):
        assert [image.name for image in find_images(tmp_path)] == ["a"]
    kinds = "1 .png (._a.png), 1 .txt (a.png.txt), 1 .dng (b.dng), 2 .heic (d.HEIC, ...), 1 without suffix (f)"
    assert _said(caplog) == [
        f"{tmp_path}: left out what is not read as an image here: {kinds}; pip install pillow-heif to read HEIC"
    ]


def test_nothing_is_said_of_folders_that_hold_what_is_taken(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _put(tmp_path, "a/b.png", "c/d.png")
    say_left_out(tmp_path, [tmp_path / "a/b.png"])
    assert _said(caplog) == [f"{tmp_path}: left out what is not read as an image here: 1 folders (c)"]


@pytest.mark.parametrize(("layout", "hr", "lr", "odd"), [
    ("city100", "001H.PNG", "001L.PNG", "IMG_1.HEIC"),
    ("city100", "a/001H.PNG", "a/001L.PNG", "a/other.PNG"),
    ("realsr", "a/Train/2/a_1_HR.png", "a/Train/2/a_1_LR2.png", "a/Train/2/a_1.CR3"),
    ("realsr", "a/Train/2/a_1_HR.png", "a/Train/2/a_1_LR2.png", "b.zip"),
    ("realarbisr", "Train/HR2/1.png", "Train/LR2/1.png", "Train/LR2/1.jxl"),
    ("realarbisr", "Train/HR2/1.png", "Train/LR2/1.png", "Train/HR_3"),
    ("pattern", "HR/1.png", "L/1.png", "L/1.jpg"),
    ("folders", "HR/1.png", "L/1.png", "HR/1.gif"),
])  # fmt: skip
def test_layouts_say_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, layout: str, hr: str, lr: str, odd: str
) -> None:
    _put(tmp_path, hr, lr, odd)
    options: dict[str, Any] = {
        "pattern": {"pattern": {"hr": "HR/{id}.png", "views": {2: "L/{id}.png"}}},
        "folders": {"lq": {2: tmp_path / "L"}},
    }.get(layout, {})
    assert len(find_pair_scenes(tmp_path / "HR" if layout == "folders" else tmp_path, layout, **options)) == 1
    assert len(_said(caplog)) == 1
    assert Path(odd).name in _said(caplog)[0]


def test_data_sets_of_hr_images_say_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _put(tmp_path, "a.png", "a.NEF")
    HRCropDataset({"name": "a", "type": "HRCropDataset", "phase": "train", "dataroot_gt": str(tmp_path), "gt_size": 8})
    assert "1 .nef (a.NEF)" in _said(caplog)[0]


def test_photographs_to_align_say_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _put(tmp_path, "scene/HR.png", "scene/x2.png", "scene/x4.ARW", "lost.heif")
    find_shot_groups(tmp_path)
    assert len(_said(caplog)) == 2
    assert "lost.heif" in _said(caplog)[0]
    assert "x4.ARW" in _said(caplog)[1]


def test_the_command_line_says_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Notices go to the log of a training that has begun, as an earlier test may have done in this process.
    monkeypatch.setattr(logging.getLogger("basicsr"), "handlers", [])
    _put(tmp_path, "hr/a.png", "hr/b.DNG")
    assert main(["generate", f"{tmp_path}/hr", "--bundle", "simulator", "--scales", "2", "--out", f"{tmp_path}/o"]) == 0
    assert (
        f"degflow: {tmp_path}/hr: left out what is not read as an image here: 1 .dng (b.DNG)\n"
        in capsys.readouterr().err
    )


def test_a_run_of_basicsr_has_it_in_its_log(tmp_path: Path) -> None:
    _put(tmp_path, "a.png", "b.mov")
    log = logging.getLogger("basicsr")
    handler = logging.FileHandler(tmp_path / "run.log")
    log.addHandler(handler)
    try:
        find_images(tmp_path)
    finally:
        log.removeHandler(handler)
        handler.close()
    assert "b.mov" in (tmp_path / "run.log").read_text()
