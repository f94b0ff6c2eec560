"""Items hold the same window of all views, whoever makes them and from whatever they are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import trees
from torch.utils.data import DataLoader

from degflow_aug.data.aligned_scales_dataset import AlignedScales, AlignedScalesDataset
from degflow_aug.data.layouts.find import find_scenes
from degflow_aug.draws import DrawSampler, SampleDraw
from degflow_aug.files.image_file import encode_image
from degflow_aug.files.lmdb_store import LmdbWriter


def _pixels(image: torch.Tensor) -> np.ndarray:
    return (image * 255).round().numpy().astype(int)


def _options(root: Path, **changes: Any) -> dict[str, Any]:
    return {
        "name": "set", "type": "AlignedScalesDataset", "phase": "train", "scale": 4, "dataroot_gt": str(root),
        "layout": "realsr", "gt_size": 16, "use_hflip": True, "use_rot": True, "io_backend": {"type": "disk"},
        "num_worker_per_gpu": 0, "batch_size_per_gpu": 2, "cache_mb": 1, **changes,
    }  # fmt: skip


def test_a_training_item(tmp_path: Path) -> None:
    dataset = AlignedScalesDataset(_options(trees.realsr(tmp_path), knots=[1, 2, 4]))
    assert len(dataset) == 3
    assert dataset.opt["layout"] == "realsr"
    item = dataset[1]
    assert item["hr"].shape == (3, 16, 16)
    assert item["views"].shape == (2, 3, 16, 16)
    assert {item[key].dtype for key in ("hr", "views", "scales")} == {torch.float32}
    assert item["available"].tolist() == [True, True]
    assert item["scales"].tolist() == [2.0, 4.0]
    assert (item["name"], item["camera"]) == ("Canon_002", "Canon")
    assert item["gt_path"] == str(tmp_path / "Canon/Train/2/Canon_002_HR.png")
    assert item["lq_path"] == str(tmp_path / "Canon/Train/2/Canon_002_LR2.png")
    assert _pixels(item["hr"])[2].tolist() == np.full((16, 16), 10).tolist()
    assert [int(_pixels(view)[2, 0, 0]) for view in item["views"]] == [20, 40]


def test_all_views_have_the_crop_and_flip_of_hr(tmp_path: Path) -> None:
    dataset = AlignedScalesDataset(_options(trees.realsr(tmp_path, count=1)))
    crops = set()
    for seed in range(60):
        item = dataset[SampleDraw(0, seed)]
        for view in item["views"]:
            assert torch.equal(view[:2], item["hr"][:2])
        crops.add(item["hr"].numpy().tobytes())
    assert len(crops) > 50


def test_validation_gives_whole_images(tmp_path: Path) -> None:
    root = trees.realsr(tmp_path, split="Test", count=2)
    for phase in ("val", "test"):
        options = _options(root, phase=phase)
        del options["gt_size"]
        item = AlignedScalesDataset(options)[0]
        np.testing.assert_array_equal(_pixels(item["hr"]), trees.coordinates(48, 64, 10).transpose(2, 0, 1))
        assert item["views"].shape == (3, 3, 48, 64)
        assert item["scales"].tolist() == [2, 3, 4]


def _epoch(root: Path, workers: int, **changes: Any) -> list[dict[str, Any]]:
    dataset = AlignedScalesDataset(_options(root, **changes))
    loader = DataLoader(dataset, 2, sampler=DrawSampler(dataset, 1, 0, 3, seed=4), num_workers=workers, drop_last=True)
    return list(loader)


def test_v3_scenes_have_one_view_brought_to_the_hr_grid(tmp_path: Path) -> None:
    options = _options(trees.realsr_v3(tmp_path), layout="realsr_v3", use_hflip=False, use_rot=False)
    items = [AlignedScalesDataset(options)[number] for number in range(4)]
    assert [item["available"].tolist() for item in items] == [[True, False], [False, True]] * 2
    assert not items[0]["views"][1].any()
    whole = AlignedScalesDataset(_options(tmp_path, layout="realsr_v3", phase="val", split="Train"))[3]
    red, green, blue = _pixels(whole["views"][1])
    assert red.shape == (48, 64)
    assert (blue == 40).all()
    rows, columns = np.mgrid[:48, :64]
    inside = (slice(8, -8), slice(8, -8))
    assert np.abs(red - ((rows + 0.5) / 4 - 0.5))[inside].max() <= 0.51
    assert np.abs(green - ((columns + 0.5) / 4 - 0.5))[inside].max() <= 0.51
    item = items[3]
    top, left = (int(value) for value in _pixels(item["hr"])[:2, 0, 0])
    np.testing.assert_array_equal(item["views"][1], whole["views"][1][:, top : top + 16, left : left + 16])


def test_knots_of_v3_select_scenes(tmp_path: Path) -> None:
    options = _options(trees.realsr_v3(tmp_path), layout="realsr_v3", knots=[1, 4])
    assert {AlignedScalesDataset(options)[number]["name"] for number in range(2)} == {"Nikon_001_x4", "Nikon_002_x4"}
    with pytest.raises(ValueError, match="expected scenes with views at 3, got views at 2, 4"):
        AlignedScalesDataset({**options, "knots": [1, 3]})


def test_knots_are_true_scales_where_labels_are_not(tmp_path: Path) -> None:
    options = _options(trees.realsr(tmp_path), scales={2: 2.1, 4: 3.75})
    assert AlignedScalesDataset(options)[0]["scales"].tolist() == pytest.approx([2.1, 3, 3.75])
    chosen = AlignedScalesDataset({**options, "knots": [1, 2.1, 3.75]})
    assert chosen.knots == (1, 2.1, 3.75)
    # Blue is ten times the label.
    assert (chosen[0]["views"][:, 2, 0, 0] * 255).tolist() == pytest.approx([20, 40])
    with pytest.raises(ValueError, match=r"scales as a mapping such as \{2: 2\.1\}, got \[2, 4\]; knots chooses"):
        AlignedScalesDataset({**options, "scales": [2, 4]})


def test_whole_images_are_cut_to_a_multiple(tmp_path: Path) -> None:
    options = {**_options(trees.realsr(tmp_path, size=(47, 70))), "phase": "val", "split": "Train"}
    dataset, whole = (AlignedScalesDataset({**options, "multiple": multiple}) for multiple in (32, 1))
    assert dataset.frames[0][1] == (32, 64)
    for key in ("hr", "views"):
        assert torch.equal(dataset[1][key], whole[1][key][..., :32, :64])
    with pytest.raises(ValueError, match=r"Canon_001_HR\.png: expected at least 64x64 pixels, got less"):
        AlignedScalesDataset({**options, "multiple": 64})
    with pytest.raises(ValueError, match="of whole images alone"):
        AlignedScalesDataset({**options, "phase": "train", "gt_size": 16, "multiple": 2})


def test_16_bit_images_keep_their_depth(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 65536, (2, 24, 24, 3), dtype=np.uint16)
    for name, image in zip(("001H.PNG", "001L.PNG"), images, strict=True):
        (tmp_path / name).write_bytes(encode_image(image))
    dataset = AlignedScales(find_scenes(tmp_path, "city100"))
    for _ in range(2):
        item = dataset[0]
        np.testing.assert_array_equal(item["hr"], (images[0] / np.float32(65535)).transpose(2, 0, 1))
        np.testing.assert_array_equal(item["views"][0], (images[1] / np.float32(65535)).transpose(2, 0, 1))
    assert item["scales"].tolist() == [pytest.approx(2.9)]


def test_a_scene_without_a_knot_is_refused_or_dropped(tmp_path: Path) -> None:
    trees.realsr(tmp_path)
    (tmp_path / "Canon/Train/3/Canon_002_LR3.png").unlink()
    said = r"2/Canon_002_HR\.png: expected scene 'Canon_002' to have a view at scale 3, got views at 2, 4; leave"
    with pytest.raises(ValueError, match=said):
        AlignedScalesDataset(_options(tmp_path))
    assert len(AlignedScalesDataset(_options(tmp_path, knots=[1, 2, 4]))) == 3
    assert len(AlignedScalesDataset(_options(tmp_path, scenes="001,003"))) == 2
    (tmp_path / "Canon/Train/2/Canon_003_HR.png").unlink()
    assert len(AlignedScalesDataset(_options(tmp_path, incomplete="drop"))) == 1


def test_sizes_that_differ_and_damaged_files_are_refused(tmp_path: Path) -> None:
    trees.city100(tmp_path)
    path = tmp_path / "002L.PNG"
    dataset = AlignedScalesDataset(_options(tmp_path, layout="city100"))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match=r"002L\.PNG: expected a whole image"):
        dataset[1]
    trees.save(path, trees.coordinates(64, 48, 0))
    with pytest.raises(ValueError, match=r"002L\.PNG: expected 48x64"):
        AlignedScalesDataset(_options(tmp_path, layout="city100"))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"gt_size": 20}, "multiple of 8, got 20"),
        ({"knot": [1, 2]}, r"got 'knot'; did you mean 'knots'\?"),
        ({"meta_info_file": "list.txt"}, "expected no meta_info_file"),
        ({"knots": [2, 4]}, "rise from 1"),
        ({"knots": [1, 4, 2]}, "rise from 1"),
        ({"knots": [1]}, "rise from 1"),
        ({"knots": 4}, "list of scales"),
        ({"knots": [1, "two"]}, "list of scales"),
        ({"incomplete": "skip"}, "expected incomplete: refuse, drop, keep, got 'skip'"),
        ({"dataroot_views": {2: "a.lmdb"}}, "io_backend: {type: lmdb} only"),
        ({"io_backend": {"type": "lmdb"}}, "expected no layout"),
        ({"io_backend": {"type": "lmdb"}, "layout": None}, "expected dataroot_views"),
    ],
)
def test_other_options_are_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    trees.realsr(tmp_path, count=1)
    with pytest.raises(ValueError, match=said):
        AlignedScalesDataset(_options(tmp_path, **changes))


@pytest.mark.parametrize("workers", [0, 2])
def test_lmdb_gives_the_items_of_the_files(tmp_path: Path, workers: int) -> None:
    pytest.importorskip("lmdb")
    scenes = find_scenes(trees.realsr(tmp_path / "files"), "realsr")
    folders = {1: tmp_path / "hr.lmdb", 2: tmp_path / "lr2.lmdb", 4: tmp_path / "lr4.lmdb"}
    for scale, folder in folders.items():
        with LmdbWriter(folder) as writer:
            for scene in scenes:
                file = scene.hr if scale == 1 else scene.views[scale]
                writer.put(scene.name, file.read_bytes(), (48, 64, 3))
    options = _options(folders[1], io_backend={"type": "lmdb"}, dataroot_views={"2": folders[2], 4: str(folders[4])})
    del options["layout"]
    for cache_mb in (0, 1):
        dataset = AlignedScalesDataset({**options, "cache_mb": cache_mb})
        sampler = DrawSampler(dataset, 1, 0, 3, seed=4)
        batches = list(DataLoader(dataset, 2, sampler=sampler, num_workers=workers, drop_last=True))
        expected = _epoch(tmp_path / "files", 0, knots=[1, 2, 4])
        for got, wanted in zip(batches, expected, strict=True):
            assert all(torch.equal(got[key], wanted[key]) for key in ("hr", "views", "available", "scales"))
            assert got["name"] == wanted["name"]
            assert got["camera"] == ["hr", "hr"]
    assert len(AlignedScalesDataset({**options, "scenes": "002-003"})) == 2


def test_lmdbs_with_other_keys_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("lmdb")
    for name, keys in (("hr", "12"), ("lr", "23")):
        with LmdbWriter(tmp_path / f"{name}.lmdb") as writer:
            for key in keys:
                writer.put(key, encode_image(trees.coordinates(16, 16, 0)), (16, 16, 3))
    options = _options(tmp_path / "hr.lmdb", io_backend={"type": "lmdb"}, dataroot_views={2: tmp_path / "lr.lmdb"})
    del options["layout"]
    with pytest.raises(ValueError, match=r"lr\.lmdb/3: expected the HR image of scene '3'"):
        AlignedScalesDataset(options)
    with pytest.raises(ValueError, match=r"hr\.lmdb/1: expected LR images of scene '1'"):
        AlignedScalesDataset({**options, "scenes": "1,2"})


def test_the_real_city100(city100: Path) -> None:
    dataset = AlignedScalesDataset(
        _options(city100, layout="city100", cameras=["City100_iPhoneX"], scenes="001-003", gt_size=256, knots=[1, 2.9])
    )
    assert len(dataset) == 3
    item = dataset[0]
    assert item["hr"].shape == (3, 256, 256)
    assert item["scales"].tolist() == [pytest.approx(2.9)]
    assert 0 < float((item["hr"] - item["views"][0]).abs().mean()) < 0.1
