"""Pairs that BasicSR's data set would not take for what they are are refused before anything is written."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import icc, trees
from PIL import Image

from degflow_aug.files import notice
from degflow_aug.files.image_file import encode_image
from degflow_aug.files.lmdb_store import LmdbWriter
from degflow_aug.models.checks.basicsr_pairs import check_basicsr_pairs, check_ffhq, check_range


def _section(root: Path, *pairs: tuple[tuple[int, int], tuple[int, int]], template: str = "{}") -> dict[str, Any]:
    for name, (hr, lr) in zip("abc", pairs, strict=False):
        trees.save(root / f"gt/{name}.png", np.zeros((*hr, 3), np.uint8))
        trees.save(root / "lq" / f"{template.format(name)}.png", np.zeros((*lr, 3), np.uint8))
    return {
        "type": "PairedImageDataset", "dataroot_gt": str(root / "gt"), "dataroot_lq": str(root / "lq"),
        "filename_tmpl": template, "io_backend": {"type": "disk"}, "gt_size": 12, "use_hflip": True, "use_rot": None,
    }  # fmt: skip


@pytest.mark.parametrize(("scale", "hr", "lr"), [
    (1, (48, 64), (48, 64)), (2, (49, 65), (24, 32)), (2, (49, 65), (25, 33)), (4, (51, 67), (12, 16)),
    (4, (45, 61), (12, 16)),
])  # fmt: skip
def test_pairs_of_the_scale(tmp_path: Path, scale: int, hr: tuple[int, int], lr: tuple[int, int]) -> None:
    section = _section(tmp_path, (hr, lr), template="{}x4")
    check_basicsr_pairs(section, scale, "datasets.val")
    if scale > 1:
        with pytest.raises(ValueError, match=rf"expected pairs of scale {scale} .* in datasets\.train"):
            check_basicsr_pairs(section, scale, "datasets.train")


@pytest.mark.parametrize(("scale", "lr"), [
    (1, (24, 32)), (2, (12, 16)), (2, (16, 21)), (3, (12, 16)), (2, (30, 32)), (2, (26, 32)), (2, (48, 64)),
    (2, (32, 24)), (1, (48, 65)),
])  # fmt: skip
@pytest.mark.parametrize("where", ["datasets.val", "datasets.train", "datasets.test_1"])
def test_any_pair_of_another_scale(tmp_path: Path, scale: int, lr: tuple[int, int], where: str) -> None:
    good = ((12 * scale, 12 * scale), (12, 12))
    section = _section(tmp_path, good, ((48, 64), lr), good)
    with pytest.raises(ValueError, match=rf"expected pairs of scale {scale} .* in {where}, got .*b\.png of 48x64"):
        check_basicsr_pairs(section, scale, where)


@pytest.mark.parametrize(("rename", "said"), [
    ({"lq/b.png": "lq/bb.png"}, r"lq/b\.png: expected the LR image of .*gt/b\.png in datasets\.val, got none"),
    ({"lq/b.png": "lq/b.bmp"}, r"lq/b\.png: expected the LR image"),
    ({"gt/b.png": "other.png"}, r"lq/b\.png: expected an HR image for each file .* take the file out"),
    ({"gt/b.png": "gt/n.txt", "lq/b.png": "lq/n.txt"}, None),
])  # fmt: skip
def test_names_that_basicsr_cannot_pair(tmp_path: Path, rename: dict[str, str], said: str | None) -> None:
    section = _section(tmp_path, *[((48, 64), (24, 32))] * 2)
    for old, new in rename.items():
        (tmp_path / old).rename(tmp_path / new)
        if said is None:
            (tmp_path / new).write_text("a note")
    with pytest.raises(ValueError, match=said or r"n\.txt: expected images alone"):
        check_basicsr_pairs(section, 2, "datasets.val")


def test_folders_are_no_lmdbs(tmp_path: Path) -> None:
    section = {**_section(tmp_path, ((48, 64), (24, 32))), "io_backend": {"type": "lmdb"}}
    with pytest.raises(ValueError, match=r"expected io_backend: {type: disk} in datasets\.val for .*, got 'lmdb'"):
        check_basicsr_pairs(section, 2, "datasets.val")


@pytest.mark.parametrize("data", [
    b"\xef\xbb\xbfa.png (48,64,3)\n", "a.png (48,64,3)\n".encode("utf-16"), b"a.png\n\nb.png\n", b"\na.png\n",
])  # fmt: skip
def test_a_list_that_basicsr_reads_otherwise_is_refused(tmp_path: Path, data: bytes) -> None:
    section = _section(tmp_path, *[((48, 64), (24, 32))] * 2)
    (tmp_path / "list.txt").write_bytes(data)
    section["meta_info_file"] = str(tmp_path / "list.txt")
    with pytest.raises(ValueError, match=r"list\.txt: expected UTF-8 without .* in datasets\.train"):
        check_basicsr_pairs(section, 2, "datasets.train")
    (tmp_path / "list.txt").write_bytes(b"a.png (48,64,3)\r\nb.png")
    check_basicsr_pairs(section, 2, "datasets.train")


def test_crops_are_whole_lr_pixels(tmp_path: Path) -> None:
    section = {**_section(tmp_path, ((48, 64), (24, 32))), "gt_size": 15}
    with pytest.raises(ValueError, match=r"gt_size in datasets\.train as a multiple of scale 2, got 15"):
        check_basicsr_pairs(section, 2, "datasets.train")
    check_basicsr_pairs(section, 2, "datasets.val")


@pytest.mark.parametrize("kind", ["PairedImageDataset", "RealESRGANPairedDataset", "SingleImageDataset"])
@pytest.mark.parametrize("key", ["mean", "std"])
def test_normalised_images_have_no_scores(
    kind: str, key: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notice, "_SAID", set())
    section = {"type": kind, key: [0.5, 0.5, 0.5]}
    for phase in ("val", "val_2", "test_1"):
        with pytest.raises(ValueError, match=rf"no {key} in datasets\.{phase}, whose scores would be of normalised im"):
            check_range(section, f"datasets.{phase}")
    check_range(section, "datasets.train")
    assert [record.message.partition(":")[0] for record in caplog.records] == [f"datasets.train.{key}"]
    check_range({**section, key: None}, "datasets.val")
    check_range({**section, "type": "FFHQDataset"}, "datasets.train")


def test_a_list_of_hr_files_is_what_counts(tmp_path: Path) -> None:
    section = _section(tmp_path, ((48, 64), (24, 32)), ((48, 64), (12, 16)))
    (tmp_path / "list.txt").write_text("a.png (48,64,3)\n")
    section["meta_info_file"] = str(tmp_path / "list.txt")
    check_basicsr_pairs(section, 2, "datasets.val")
    (tmp_path / "list.txt").write_text("a.png (48,64,3)\nmissing.png (48,64,3)\n")
    with pytest.raises(ValueError, match=r"gt/missing\.png: expected the HR image, which .*list\.txt lists"):
        check_basicsr_pairs(section, 2, "datasets.val")


@pytest.mark.parametrize(
    ("more", "first"), [("b.png (48,64,3)", "b.png"), ("./a.png", "a.png"), ("deep/b.png", "b.png")]
)
def test_each_listed_image_has_lr_of_its_own(tmp_path: Path, more: str, first: str) -> None:
    section = _section(tmp_path, *[((48, 64), (24, 32))] * 2)
    trees.save(tmp_path / "gt/deep/b.png", np.zeros((48, 64, 3), np.uint8))
    (tmp_path / "list.txt").write_text(f"a.png (48,64,3)\nb.png\n{more}\n")
    section["meta_info_file"] = str(tmp_path / "list.txt")
    with pytest.raises(ValueError, match=rf"list\.txt: expected each image once in datasets\.val.* for '{first}' and"):
        check_basicsr_pairs(section, 2, "datasets.val")


def test_a_list_of_other_sizes_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notice, "_SAID", set())
    section = _section(tmp_path, *[((48, 64), (24, 32))] * 2)
    (tmp_path / "list.txt").write_text("a.png (48,64,3)\nb.png (96,64,3)\n")
    check_basicsr_pairs({**section, "meta_info_file": str(tmp_path / "list.txt")}, 2, "datasets.val")
    assert [record.message[: record.message.index(" pixels")] for record in caplog.records] == [
        f"{tmp_path}/gt/b.png: 48x64"
    ]


def test_hr_that_is_smaller_than_its_crops(tmp_path: Path) -> None:
    section = _section(tmp_path, ((48, 64), (24, 32)), ((48, 62), (24, 31)))
    check_basicsr_pairs({**section, "gt_size": 48}, 2, "datasets.train")
    with pytest.raises(
        ValueError, match=r"HR of at least 64x64 pixels \(gt_size\) in datasets\.train, got .*a\.png of 48x64"
    ):
        check_basicsr_pairs({**section, "gt_size": 64}, 2, "datasets.train")


@pytest.mark.parametrize(("lr", "said"), [
    ({"a": (24, 32), "b": (24, 32)}, None),
    ({"a": (24, 32), "b": (12, 16)}, r"of scale 2 .* got .*gt\.lmdb/b of 48x64"),
    ({"a": (24, 32)}, r"lq\.lmdb: expected the same keys in both LMDBs of datasets\.val, got no 'b' here"),
    ({"a": (24, 32), "b": (24, 32), "c": (24, 32)}, r"gt\.lmdb: expected the same keys .* got no 'c' here"),
])  # fmt: skip
def test_pairs_in_lmdbs(tmp_path: Path, lr: dict[str, tuple[int, int]], said: str | None) -> None:
    pytest.importorskip("lmdb")
    for name, images in (("gt", {"a": (48, 64), "b": (48, 64)}), ("lq", lr)):
        writer = LmdbWriter(tmp_path / f"{name}.lmdb")
        for key, size in images.items():
            writer.put(key, encode_image(np.zeros((*size, 3), np.uint8)), (*size, 3))
        writer.close()
    section = {"type": "PairedImageDataset", "io_backend": {"type": "lmdb"}}
    section |= {f"dataroot_{name}": str(tmp_path / f"{name}.lmdb") for name in ("gt", "lq")}
    with pytest.raises(ValueError, match=said) if said else nullcontext():
        check_basicsr_pairs(section, 2, "datasets.val")
    for more, sentence in (
        ({"io_backend": {"type": "disk"}}, "type: lmdb"),
        ({"meta_info_file": "x"}, "no meta_info_f"),
    ):
        with pytest.raises(ValueError, match=sentence):
            check_basicsr_pairs({**section, **more}, 2, "datasets.val")


@pytest.mark.parametrize("template", ["x4", "{}x{}", "{0", "{name}"])
def test_templates_that_name_no_lr(tmp_path: Path, template: str) -> None:
    section = _section(tmp_path, ((48, 64), (24, 32)))
    with pytest.raises(ValueError, match=r"expected a name with \{\} in datasets\.val\.filename_tmpl"):
        check_basicsr_pairs({**section, "filename_tmpl": template}, 2, "datasets.val")


def test_folders_in_folders_are_said_to_be_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    section = _section(tmp_path, ((48, 64), (24, 32)))
    (tmp_path / "gt/more").mkdir()
    check_basicsr_pairs(section, 2, "datasets.val")
    assert "gt: left out what is not read as an image here: 1 folders (more)" in caplog.text


@pytest.mark.parametrize("kind", ["PairedImageDataset", "SingleImageDataset"])
@pytest.mark.parametrize("in_srgb", [False, True])
def test_colours_that_basicsr_leaves_as_they_are_stored_are_said(
    kind: str, in_srgb: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(notice, "_SAID", set())
    section = _section(tmp_path, ((48, 64), (24, 32)), ((48, 64), (24, 32)))
    for file in tmp_path.glob("*/*.png"):
        Image.open(file).save(file, icc_profile=icc.SRGB if in_srgb else icc.profile(icc.DISPLAY_P3, 2.3))
    check_basicsr_pairs({**section, "type": kind}, 2, "datasets.test")
    said = f"a.png: {kind} reads its colours as they are stored, whatever its profile says"
    assert [said in record.message for record in caplog.records] == ([] if in_srgb else [True])


def test_no_pairs(tmp_path: Path) -> None:
    for wrong in (None, str(tmp_path / "none")):
        with pytest.raises(ValueError, match=r"expected .*datasets\.val"):
            check_basicsr_pairs({**_section(tmp_path), "dataroot_lq": wrong}, 2, "datasets.val")
    for name in ("gt", "lq"):
        (tmp_path / name).mkdir()
    with pytest.raises(ValueError, match=r"gt: expected images in it \(dataroot_gt in datasets\.val\), got none"):
        check_basicsr_pairs(_section(tmp_path), 2, "datasets.val")


def test_hr_is_not_its_own_lr(tmp_path: Path) -> None:
    section = _section(tmp_path, ((48, 64), (48, 64)))
    (tmp_path / "links").mkdir()
    (tmp_path / "links/a.png").symlink_to(tmp_path / "gt/a.png")
    with pytest.raises(ValueError, match=r"links/a\.png: expected LR of its own in datasets\.val"):
        check_basicsr_pairs({**section, "dataroot_lq": str(tmp_path / "links")}, 1, "datasets.val")
    (tmp_path / "link").symlink_to(tmp_path / "gt")
    for lq in ("gt", "link", "lq/../gt"):
        with pytest.raises(ValueError, match=r"expected HR and LR in two places in datasets\.val, got .*gt as both"):
            check_basicsr_pairs({**section, "dataroot_lq": str(tmp_path / lq)}, 1, "datasets.val")


def test_what_cannot_be_told_is_left_to_basicsr(tmp_path: Path) -> None:
    section = _section(tmp_path, ((48, 64), (12, 16)))
    check_basicsr_pairs({**section, "type": "SingleImageDataset"}, 1, "datasets.val")


@pytest.mark.parametrize(("changes", "said"), [
    ({}, r"00000002\.png: expected all 70,000 images of FFHQ"),
    ({"mean": None}, r"expected mean in datasets\.train"),
    ({"use_hflip": None}, r"expected use_hflip in datasets\.train"),
    ({"dataroot_gt": "nowhere"}, r"nowhere/00000000\.png: expected all"),
    ({"type": "HRCropDataset"}, None), ({"io_backend": {"type": "lmdb"}}, None),
])  # fmt: skip
def test_ffhq_is_whole(changes: dict[str, Any], said: str | None, tmp_path: Path) -> None:
    for number in (0, 1, 3):
        (tmp_path / f"{number:08d}.png").touch()
    section = {
        "type": "FFHQDataset", "dataroot_gt": str(tmp_path), "io_backend": {"type": "disk"}, "mean": [0.5] * 3,
        "std": [0.5] * 3, "use_hflip": True, **changes,
    }  # fmt: skip
    with pytest.raises(ValueError, match=said) if said else nullcontext():
        check_ffhq(section, "datasets.train")
