"""HR crops are windows of the images, from whatever they are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import trees
from helpers.tiny_camera import write_pairs
from torch.utils.data import DataLoader

from degflow_aug.data.hr_crop_dataset import HRCropDataset, HRCrops
from degflow_aug.draws import DrawSampler
from degflow_aug.files import notice
from degflow_aug.files.image_file import encode_image, write_image
from degflow_aug.files.image_tree import find_images
from degflow_aug.files.lmdb_store import LmdbWriter


def _tree(root: Path, count: int = 3, size: tuple[int, int] = (48, 64)) -> Path:
    for number in range(count):
        folder = root / "deep" if number % 2 else root
        trees.save(folder / f"{number:03d}.png", trees.coordinates(*size, number))
    return root


def _options(root: Any, **changes: Any) -> dict[str, Any]:
    return {
        "name": "set", "type": "HRCropDataset", "phase": "train", "scale": 4, "dataroot_gt": str(root), "gt_size": 16,
        "use_hflip": True, "use_rot": True, "io_backend": {"type": "disk"}, "num_worker_per_gpu": 0,
        "batch_size_per_gpu": 2, "dataset_enlarge_ratio": 1, "prefetch_mode": None, "cache_mb": 1, **changes,
    }  # fmt: skip


def test_a_training_item(tmp_path: Path) -> None:
    dataset = HRCropDataset(_options(_tree(tmp_path)))
    assert len(dataset) == 3
    assert dataset.accepts_draws
    assert dataset.opt["name"] == "set"
    item = dataset[2]
    assert item.keys() == {"gt", "gt_path"}
    assert item["gt"].shape == (3, 16, 16)
    assert item["gt"].dtype == torch.uint8
    assert item["gt"].is_contiguous()
    assert item["gt_path"] == str(tmp_path / "deep" / "001.png")


def test_validation_gives_whole_images(tmp_path: Path) -> None:
    options = _options(_tree(tmp_path), phase="val")
    del options["gt_size"]
    item = HRCropDataset(options)[2]
    assert item["name"] == "deep/001"
    assert item["gt"].dtype == torch.float32
    np.testing.assert_array_equal((item["gt"] * 255).round(), trees.coordinates(48, 64, 1).transpose(2, 0, 1))


def test_16_bit_images_are_rounded_for_training_and_whole_for_validation(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 65536, (24, 24, 3), dtype=np.uint16)
    (tmp_path / "a.png").write_bytes(encode_image(image))
    for cache in (0, 2**20):
        crops = HRCrops(find_images(tmp_path), crop_size=24, cache_bytes=cache)
        whole = HRCrops(find_images(tmp_path), cache_bytes=cache)
        for _ in range(2):
            np.testing.assert_array_equal(crops[0]["gt"], np.rint(image / 257).transpose(2, 0, 1))
            np.testing.assert_array_equal(whole[0]["gt"], (image / np.float32(65535)).transpose(2, 0, 1))


@pytest.mark.parametrize("line", ["deep/001.png", "deep/001.png (48,64,3)", "  deep/001.png (48,64,3) 1"])
def test_lists_as_basicsr_writes_them(tmp_path: Path, line: str) -> None:
    (tmp_path / "list.txt").write_text(f"{line}\n\n000.png (48,64,3)\n")
    options = _options(_tree(tmp_path / "images"), meta_info=str(tmp_path / "list.txt"))
    dataset = HRCropDataset(options)
    assert [image.name for image in dataset.images] == ["deep/001", "000"]
    assert dataset[0]["gt_path"] == str(tmp_path / "images/deep/001.png")
    (tmp_path / "list.txt").write_text("009.png\n")
    with pytest.raises(ValueError, match=r"009\.png: expected an image file"):
        HRCropDataset(options)
    (tmp_path / "list.txt").write_text("\n")
    with pytest.raises(ValueError, match=r"list\.txt: expected a line for each image"):
        HRCropDataset(options)
    (tmp_path / "list.txt").unlink()
    with pytest.raises(ValueError, match=r"list\.txt: expected the list of images that meta_info names"):
        HRCropDataset(options)


def test_lists_that_do_not_fit_their_images(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notice, "_SAID", set())
    options = _options(_tree(tmp_path / "images"), meta_info=str(tmp_path / "list.txt"))
    (tmp_path / "list.txt").write_text("000.png (48,64,3)\ndeep/001.png (64,48,3)\n")
    assert len(HRCropDataset(options)) == 2
    assert len(caplog.records) == 1
    assert "deep/001.png: 48x64 pixels (height x width) by the image" in caplog.text
    (tmp_path / "list.txt").write_text("000.png\ndeep/001.png\n000.png (48,64,3)\n")
    with pytest.raises(ValueError, match=r"list\.txt: expected each image once, got '000\.png'"):
        HRCropDataset(options)


def test_several_folders(tmp_path: Path) -> None:
    roots = [str(_tree(tmp_path / name, count)) for name, count in (("one", 2), ("two", 1))]
    assert len(HRCropDataset(_options("", dataroot_gt=roots))) == 3


@pytest.mark.parametrize("workers", [0, 2])
def test_lmdb_gives_the_items_of_the_files(tmp_path: Path, workers: int) -> None:
    pytest.importorskip("lmdb")
    images = find_images(_tree(tmp_path / "files"))
    with LmdbWriter(tmp_path / "hr.lmdb") as writer:
        for image in images:
            writer.put(image.name, image.path.read_bytes(), (48, 64, 3))
    backend = {"io_backend": {"type": "lmdb"}}
    files = HRCropDataset(_options(tmp_path / "files"))
    store = HRCropDataset(_options(tmp_path / "hr.lmdb", **backend))
    batches = [
        list(DataLoader(dataset, 2, sampler=DrawSampler(dataset, 1, 0, 2, seed=1), num_workers=workers))
        for dataset in (files, store)
    ]
    for wanted, got in zip(*batches, strict=True):
        assert torch.equal(wanted["gt"], got["gt"])
    (tmp_path / "list.txt").write_text("deep/001.png (48,64,3) 1\n")
    listed = HRCropDataset(_options(tmp_path / "hr.lmdb", meta_info=str(tmp_path / "list.txt"), **backend))
    assert [image.name for image in listed.images] == ["deep/001"]


def test_hr_images_of_a_layout(tmp_path: Path) -> None:
    trees.city100(tmp_path / "one")
    trees.city100(tmp_path / "two")
    options = _options(tmp_path, layout="city100", scenes="001-003")
    dataset = HRCropDataset(options)
    assert [image.name for image in dataset.images] == [
        f"{camera}_00{n}" for camera in ("one", "two") for n in (1, 2, 3)
    ]
    assert {int(dataset[number]["gt"][2, 0, 0]) for number in range(6)} == {10}
    assert [image.name for image in HRCropDataset({**options, "cameras": "two"}).images] == ["001", "002", "003"]


@pytest.mark.parametrize(("changes", "said"), [
    ({"gt_size": 0}, "gt_size of 1 or more, got 0"),
        ({"dataroot_gt": [7]}, "as a path, got 7"),
        ({"dataroot_gt": ["a"], "meta_info": "x"}, "as a path"),
        ({"dataroot_gt": "/nowhere"}, "/nowhere: expected a folder of images"),
    ({"dataroot_lq": "x"}, "expected no dataroot_lq for HRCropDataset, got 'x': LR is made from HR"),
    ({"kernel_list": ["iso"]}, "expected no kernel_list .* degradation:"),
    ({"meta_infos": "x"}, r"got 'meta_infos'; did you mean 'meta_info'\?"),
    ({"scenes": "001"}, "expected scenes of HRCropDataset together with layout"),
    ({"layout": "city100", "meta_info": "x"}, "without meta_info and LMDB"),
    ({"io_backend": {"type": "lmdb"}}, "expected an LMDB folder"),
])  # fmt: skip
def test_other_options_are_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        HRCropDataset(_options(_tree(tmp_path, 1), **changes))


def test_no_images_are_refused() -> None:
    with pytest.raises(ValueError, match="expected HR images, got none"):
        HRCrops([])


ESCAPES = ["../secret.png", "a/../../secret.png", "/etc/secret.png", "..", "a\0.png"]


def test_lists_may_have_brackets_and_marks(tmp_path: Path) -> None:
    root = _tree(tmp_path / "images")
    for name in ("IMG (1).png", "写真.png"):
        write_image(root / name, np.zeros((64, 64, 3), np.uint8))
    for encoding in ("utf-8-sig", "utf-16"):
        (tmp_path / "list.txt").write_text("IMG (1).png (64,64,3)\r\n写真.png\r\n", encoding=encoding)
        dataset = HRCropDataset({**_options(root), "meta_info": str(tmp_path / "list.txt")})
        assert [image.path for image in dataset.images] == [root / "IMG (1).png", root / "写真.png"]


@pytest.mark.parametrize("name", ESCAPES)
def test_listed_names_stay_below_their_folder(tmp_path: Path, name: str) -> None:
    root = _tree(tmp_path / "images")
    write_image(tmp_path / "secret.png", np.zeros((64, 64, 3), np.uint8))
    (tmp_path / "list.txt").write_text(f"{name} (64,64,3)\n")
    with pytest.raises(ValueError, match=r"list\.txt: expected names below the folder"):
        HRCropDataset(_options(root, meta_info=str(tmp_path / "list.txt")))


def test_a_folder_may_be_a_link(tmp_path: Path) -> None:
    root = _tree(tmp_path / "images")
    (tmp_path / "link").symlink_to(root, target_is_directory=True)
    assert len(HRCropDataset(_options(tmp_path / "link"))) == len(HRCropDataset(_options(root)))


def test_a_folder_of_degflow_align_gives_its_hr_by_layout_and_says_so_without(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_pairs(tmp_path, scenes=2, size=16)
    section = {"type": "HRCropDataset", "phase": "val", "dataroot_gt": str(tmp_path)}
    by_layout = HRCropDataset({**section, "layout": "pattern"})
    assert len(by_layout) == 2
    assert "takes all images for HR" not in caplog.text
    assert len(HRCropDataset(section)) > 2
    assert "takes all images for HR, LR too" in caplog.text
