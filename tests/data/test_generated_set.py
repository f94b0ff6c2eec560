"""What a generated set remembers, and what it refuses."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pytest

from degflow_aug.data.generated_set import MANIFEST, RECORDS, GeneratedSet, file_record
from degflow_aug.files.image_file import encode_image, read_image, write_image
from degflow_aug.files.image_tree import TreeImage, find_images
from degflow_aug.files.lmdb_store import lmdb_keys, read_lmdb_image

PIXELS = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)


def sources(tmp_path: Path) -> list[TreeImage]:
    """Two images on disk."""
    for name in ("a", "sub/b"):
        (tmp_path / "hr" / name).parent.mkdir(parents=True, exist_ok=True)
        write_image(tmp_path / "hr" / f"{name}.png", PIXELS)
    return find_images(tmp_path / "hr")


def open_set(tmp_path: Path, images: list[TreeImage], **settings: Any) -> GeneratedSet:
    """A set at scales 2 and 2.5."""
    return GeneratedSet(tmp_path / "out", {"format": "folder", "scales": [2.0, 2.5], **settings}, images)


def fill(generated: GeneratedSet, image: TreeImage, scales: Sequence[float] = (2.0, 2.5)) -> None:
    """Write and finish one image."""
    for scale in scales:
        generated.write(image, scale, PIXELS)
    generated.finish(image, file_record(image))


@pytest.mark.parametrize("file_format", ["folder", "lmdb"])
def test_what_is_finished_is_done_for_the_next(tmp_path: Path, file_format: str) -> None:
    images = sources(tmp_path)
    with open_set(tmp_path, images, format=file_format) as generated:
        assert generated.begin(images, first_process=True) == images
        fill(generated, images[0])
        assert generated.outcome() == ([], 1)
    with open_set(tmp_path, images, format=file_format) as generated:
        assert generated.begin(images, first_process=True) == images[1:]
        fill(generated, images[1])
        assert generated.outcome() == ([], 0)
    if file_format == "lmdb":
        assert lmdb_keys(tmp_path / "out" / "2.5.lmdb") == ["a", "sub/b"]
        assert np.array_equal(read_lmdb_image(tmp_path / "out" / "2.lmdb" / "sub" / "b"), PIXELS)
    else:
        assert np.array_equal(read_image(tmp_path / "out" / "2.5" / "sub" / "b.png"), PIXELS)


def test_an_lmdb_that_failed_has_no_list_of_keys(tmp_path: Path) -> None:
    images = sources(tmp_path)
    with pytest.raises(OSError, match="disk"), open_set(tmp_path, images, format="lmdb") as generated:  # noqa: PT012
        fill(generated, images[0])
        raise OSError("disk")
    with pytest.raises(ValueError, match="finish the run"):
        lmdb_keys(tmp_path / "out" / "2.lmdb")
    with open_set(tmp_path, images, format="lmdb") as generated:
        assert generated.begin(images, first_process=True) == images[1:]


@pytest.mark.parametrize("harm", ["empty", "cut off", "cut off, by an earlier version", "one bit", "other image"])
@pytest.mark.parametrize("file_format", ["folder", "files", "lmdb"])
def test_what_is_not_as_it_was_written_is_made_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, file_format: str, harm: str
) -> None:
    images, settings = sources(tmp_path), {"format": file_format, "scales": [2.0]}
    with open_set(tmp_path, images, **settings) as generated:
        for image in images:
            fill(generated, image, [2.0])
    records = tmp_path / "out" / RECORDS
    if "earlier" in harm:
        records.write_text(re.sub(r'"made": \[.*?\], ', "", records.read_text()))
    whole = encode_image(PIXELS)
    one_bit, other = whole[:50] + bytes([whole[50] ^ 1]) + whole[51:], encode_image(255 - PIXELS)
    damaged = {"empty": b"", "one bit": one_bit, "other image": other}.get(harm, whole[:-1])
    if file_format == "lmdb":
        with lmdb.open(str(tmp_path / "out/2.lmdb")) as environment, environment.begin(write=True) as transaction:
            transaction.put(b"a", damaged)
    else:
        (tmp_path / "out" / ("2/a.png" if file_format == "folder" else "a.png")).write_bytes(damaged)
    with open_set(tmp_path, images, **settings) as generated:
        assert generated.begin(images, first_process=True) == images[:1]
        assert "expected what was made of a as it was written" in caplog.text
        fill(generated, images[0], [2.0])
    with open_set(tmp_path, images, **settings) as generated:
        assert generated.begin(images, first_process=True) == []


@pytest.mark.parametrize("file_format", ["folder", "files", "lmdb"])
def test_what_is_left_of_an_image_that_is_gone_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, file_format: str
) -> None:
    images, settings = sources(tmp_path), {"format": file_format, "scales": [2.0]}
    with open_set(tmp_path, images, **settings) as generated:
        for image in images:
            fill(generated, image, [2.0])
    with open_set(tmp_path, images, **settings) as generated:
        assert generated.begin(images, first_process=True) == []
    assert "keeps" not in caplog.text
    for first in (False, True):
        with open_set(tmp_path, images[:1], **settings) as generated:
            assert generated.begin(images[:1], first_process=first) == []
    assert caplog.text.count("keeps what was made of sub/b, which is not among the HR images any more") == 1


@pytest.mark.parametrize("harm", ["missing file", "changed source", "cut-off record", "no record"])
def test_what_is_not_whole_is_done_again(tmp_path: Path, harm: str) -> None:
    images = sources(tmp_path)
    with open_set(tmp_path, images) as generated:
        fill(generated, images[1])
        fill(generated, images[0])
    records = tmp_path / "out" / RECORDS
    if harm == "missing file":
        (tmp_path / "out" / "2.5" / "a.png").unlink()
    elif harm == "changed source":
        write_image(images[0].path, np.zeros((9, 9, 3), np.uint8))
    elif harm == "cut-off record":
        records.write_bytes(records.read_bytes()[:-5])
    else:
        records.write_text(records.read_text().splitlines(keepends=True)[0])
    with open_set(tmp_path, images) as generated:
        assert generated.begin(images, first_process=True) == images[:1]
        fill(generated, images[0])
    with open_set(tmp_path, images) as generated:
        assert generated.begin(images, first_process=True) == []


def test_a_failed_image_is_told_until_it_is_repaired(tmp_path: Path) -> None:
    images = sources(tmp_path)
    with open_set(tmp_path, images) as generated:
        generated.skip(images[0], file_record(images[0]), "torn")
        assert generated.outcome() == (["a"], 1)
    lines = (tmp_path / "out" / RECORDS).read_text().splitlines()
    assert json.loads(lines[0])["error"] == "torn"
    with open_set(tmp_path, images) as generated:
        generated.skip(images[0], file_record(images[0]), "torn")
        fill(generated, images[1])
        assert generated.outcome() == (["a"], 0)
        write_image(images[0].path, np.zeros((9, 9, 3), np.uint8))
        assert generated.outcome() == ([], 1)
        fill(generated, images[0])
        assert generated.outcome() == ([], 0)
    assert len((tmp_path / "out" / RECORDS).read_text().splitlines()) == 3


def test_processes_that_share_a_set_see_each_other_in_the_end(tmp_path: Path) -> None:
    images = sources(tmp_path)
    first, second = open_set(tmp_path, images), open_set(tmp_path, images)
    fill(first, images[0])
    assert first.outcome() == ([], 1)
    fill(second, images[1])
    assert first.outcome() == second.outcome() == ([], 0)


def test_only_partial_files_of_ones_own_are_removed(tmp_path: Path) -> None:
    images = sources(tmp_path)
    open_set(tmp_path, images)
    mine, other = tmp_path / "out/2/.a.png.123.partial", tmp_path / "out/2/sub/.b.png.123.partial"
    for path in (mine, other, tmp_path / "out" / f".{MANIFEST}.77.partial"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    open_set(tmp_path, images).begin(images[:1], first_process=True)
    assert [path for path in (tmp_path / "out").rglob("*.partial")] == [other]


def test_other_settings_are_refused(tmp_path: Path) -> None:
    images = sources(tmp_path)
    open_set(tmp_path, images, solver="heun")
    with pytest.raises(ValueError, match=r"manifest\.json: expected to continue with solver heun, got euler"):
        open_set(tmp_path, images, solver="euler")
    with pytest.raises(ValueError, match="continue with solver heun, got None"):
        open_set(tmp_path, images)
    open_set(tmp_path, images, solver="heun")


def test_files_of_another_origin_are_not_overwritten(tmp_path: Path) -> None:
    images = sources(tmp_path)
    write_image((tmp_path / "out" / "2").mkdir(parents=True) or tmp_path / "out" / "2" / "a.png", PIXELS)
    with pytest.raises(ValueError, match="out/2: expected nothing there"):
        open_set(tmp_path, images)
    assert not (tmp_path / "out" / MANIFEST).exists()


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"format": "other", "settings": {}}', '{"format": "degflow-generated-1"}']
)
def test_another_manifest_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / MANIFEST).write_text(text)
    with pytest.raises(ValueError, match=r"manifest\.json: expected the manifest of a generated set"):
        open_set(tmp_path, sources(tmp_path))


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(ValueError, match="out: expected a folder to write to, got a file"):
        open_set(tmp_path, sources(tmp_path))


@pytest.mark.parametrize("name", ["a.b", "a b", "ä", "x" * 501])
def test_names_that_basicsr_cannot_look_up_are_refused_before_anything_is_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="names in ASCII without dots and blanks"):
        open_set(tmp_path, [TreeImage(name, tmp_path / "a.png")], format="lmdb")
    assert not (tmp_path / "out").exists()
