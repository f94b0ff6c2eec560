"""The folder of aligned pairs: whole after every step, continued, and never in the way of other files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from degflow_aug.alignment import aligned_set
from degflow_aug.alignment.aligned_set import AlignedSet
from degflow_aug.data.layouts.find import find_scenes
from degflow_aug.files.image_file import read_image, write_image
from degflow_aug.options.yaml_file import load_yaml

IMAGE = np.random.default_rng(0).integers(0, 256, (24, 30, 3), dtype=np.uint8)
MADE_OF = {"folder": "/shots/kitchen", "files": {"a.jpg": [10, 20]}, "residual": 0.3}
RECORD = {"made_of": MADE_OF, "views": [{"scale": 2.0}]}


def test_what_is_written_is_a_data_set(tmp_path: Path) -> None:
    AlignedSet(tmp_path / "out").write("kitchen", RECORD, IMAGE, {2.0: IMAGE[::-1]})
    (scene,) = find_scenes(tmp_path / "out", "pattern", pattern=load_yaml(tmp_path / "out" / "pattern.yml"))
    assert scene.name == "kitchen"
    assert scene.scales == (2.0,)
    assert np.array_equal(read_image(scene.hr), IMAGE)
    assert np.array_equal(read_image(scene.views[2.0]), IMAGE[::-1])


def test_a_finished_scene_is_known_again(tmp_path: Path) -> None:
    AlignedSet(tmp_path).write("kitchen", RECORD, IMAGE, {2.0: IMAGE})
    AlignedSet(tmp_path).fail("hall", {"made_of": MADE_OF, "views": [{"scale": None}], "x": float("inf")})
    again = AlignedSet(tmp_path)
    assert again.finished("kitchen", MADE_OF)["state"] == "aligned"  # type: ignore[index]
    assert again.finished("hall", MADE_OF)["x"] is None  # type: ignore[index]
    assert again.finished("kitchen", {**MADE_OF, "residual": 0.2}) is None


@pytest.mark.parametrize("harm", ["gone", "cut off", "cut off, by an earlier version", "other image"])
def test_a_scene_is_finished_while_its_files_are_as_they_were_written(tmp_path: Path, harm: str) -> None:
    AlignedSet(tmp_path).write("kitchen", RECORD, IMAGE, {2.0: IMAGE})
    file = tmp_path / "LR2/kitchen.png"
    if "earlier" in harm:
        content = json.loads((tmp_path / "align.json").read_text())
        del content["scenes"]["kitchen"]["digests"]
        (tmp_path / "align.json").write_text(json.dumps(content))
        assert AlignedSet(tmp_path).finished("kitchen", MADE_OF) is not None
    if harm == "gone":
        file.unlink()
    elif harm == "other image":
        write_image(file, 255 - IMAGE)
    else:
        file.write_bytes(file.read_bytes()[:-1])
    assert AlignedSet(tmp_path).finished("kitchen", MADE_OF) is None


def test_a_scene_that_fails_later_leaves_no_files(tmp_path: Path) -> None:
    aligned = AlignedSet(tmp_path)
    aligned.write("kitchen", RECORD, IMAGE, {2.0: IMAGE, 4.0: IMAGE})
    aligned.fail("kitchen", RECORD)
    assert list(tmp_path.rglob("*.png")) == []
    assert aligned.scales() == []


def test_another_scale_takes_the_place_of_the_first(tmp_path: Path) -> None:
    aligned = AlignedSet(tmp_path)
    aligned.write("kitchen", RECORD, IMAGE, {2.0: IMAGE})
    aligned.write("kitchen", {**RECORD, "views": [{"scale": 2.9}]}, IMAGE, {2.9: IMAGE})
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.png")) == [
        "HR/kitchen.png",
        "LR2.9/kitchen.png",
    ]
    assert load_yaml(tmp_path / "pattern.yml")["views"] == {2.9: "LR2.9/{id}.png"}


def test_a_writer_that_was_stopped_begins_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, image: np.ndarray) -> None:
        raise OSError(28, "No space left on device", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(aligned_set, "write_image", full)
        with pytest.raises(OSError, match="No space"):
            AlignedSet(tmp_path).write("kitchen", RECORD, IMAGE, {2.0: IMAGE})
    again = AlignedSet(tmp_path)
    assert again.finished("kitchen", MADE_OF) is None
    again.write("kitchen", RECORD, IMAGE, {2.0: IMAGE})
    assert again.finished("kitchen", MADE_OF) is not None


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "HR").mkdir()
    (tmp_path / "HR" / "kitchen.png").write_bytes(b"mine")
    with pytest.raises(ValueError, match="got a file of other origin"):
        AlignedSet(tmp_path).finished("kitchen", MADE_OF)
    other = AlignedSet(tmp_path / "out")
    other.write("kitchen", RECORD, IMAGE, {2.0: IMAGE})
    with pytest.raises(ValueError, match="rename it"):
        other.finished("kitchen", {**MADE_OF, "folder": "/elsewhere/kitchen"})


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"format": "degflow-align-1"}',
        '{"format": "degflow-align-1", "scenes": {"a": 1}}',
        json.dumps({
            "format": "degflow-align-1",
            "scenes": {"a": {**RECORD, "state": "aligned", "written": ["../../etc/passwd"]}},
        }),
        "[" * 100_000,
    ],
)  # fmt: skip
def test_another_file_is_no_report(tmp_path: Path, content: str) -> None:
    (tmp_path / "align.json").write_text(content)
    with pytest.raises(ValueError, match="expected the report of degflow align"):
        AlignedSet(tmp_path)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(ValueError, match="got a file"):
        AlignedSet(tmp_path / "out")
