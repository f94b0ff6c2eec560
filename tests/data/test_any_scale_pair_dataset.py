"""LR and HR patches show the same place: their values are held against a known function of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import fields, trees
from torch.utils.data import DataLoader

from degflow_aug.data.any_scale_pair_dataset import AnyScalePairDataset, AnyScalePairs
from degflow_aug.data.layouts.scene_pairs import Pair
from degflow_aug.draws import SampleDraw
from degflow_aug.files.image_decoder import ImageHeader

SCALES = (1.5, 2, 2.9, 4)


WHOLE = {"phase": "val", "lr_size": None, "gt_size": None}


def _options(root: Path, **changes: Any) -> dict[str, Any]:
    return {
        "name": "set", "type": "AnyScalePairDataset", "phase": "train", "scale": 4, "dataroot_gt": str(root),
        "layout": "city100", "lr_size": 8, "gt_size": 32, "use_hflip": True, "use_rot": True, "cache_mb": 4,
        "io_backend": {"type": "disk"}, "num_worker_per_gpu": 0, "batch_size_per_gpu": 2, **changes,
    }  # fmt: skip


def _val_options(root: Path, **changes: Any) -> dict[str, Any]:
    return _options(root, **{**WHOLE, **changes})


def _folders(root: Path, scale: float, **changes: Any) -> dict[str, Any]:
    lq = {scale: str(root / f"LR{scale:g}")}
    return {"dataroot_gt": str(root / "HR"), "layout": "folders", "lq": lq, **changes}


def _square(item: dict[str, Any]) -> np.ndarray:
    """The part of gt that lq covers, by the convention of batches."""
    side = round(item["lq"].shape[1] * float(item["scale"]))
    beyond = item["gt"].clone()
    beyond[:, :side, :side] = 0
    assert not beyond.any()
    return item["gt"][:, :side, :side].numpy()


def _misalignment(item: dict[str, Any], peak: float = 1.0) -> float:
    """How far apart, in HR pixels where the field is steepest, the two patches could be at most."""
    square = _square(item) if item["gt"].dtype == torch.uint8 else item["gt"].numpy() * 255
    lq = item["lq"].numpy() * (1 if item["lq"].dtype == torch.uint8 else 255.0)
    seen = fields.seen_by_lr(square, (lq.shape[1], lq.shape[2]))
    return float(np.abs(lq - seen).max()) / fields.SLOPE * peak


@pytest.mark.parametrize("view", [True, False])
@pytest.mark.parametrize("scale", SCALES)
def test_patches_are_aligned_after_all_turns(tmp_path: Path, scale: float, view: bool) -> None:
    size, lr_size = (round(60 * scale), round(80 * scale)), (60, 80)
    fields.save_pair(tmp_path, scale, size, None if view else lr_size)
    options = _options(tmp_path, lr_size=20, gt_size=96, **_folders(tmp_path, scale))
    dataset = AnyScalePairDataset(options)
    patches = set()
    for seed in range(60):
        item = dataset[SampleDraw(0, seed)]
        assert item["lq"].shape == (3, 20, 20)
        assert item["gt"].shape == (3, 96, 96)
        assert item["lq"].dtype == item["gt"].dtype == torch.uint8
        assert item["scale"].dtype == torch.float32
        assert item["scale"].shape == ()
        # A view's filter lowers the wave's crests by 1 %; rounding twice adds at most one level.
        assert _misalignment(item) < 0.25
        patches.add(item["gt"].numpy().tobytes())
    assert len(patches) > 50


@pytest.mark.parametrize("size", [(101, 173), (150, 99)])
@pytest.mark.parametrize("scale", [1.7, 2.3, 3.7])
@pytest.mark.parametrize("lr_size", [9, 15, 16])
def test_patches_of_odd_images_are_aligned_within_half_a_pixel(
    tmp_path: Path, size: tuple[int, int], scale: float, lr_size: int
) -> None:
    fields.save_pair(tmp_path, scale, size, (round(size[0] / scale), round(size[1] / scale)))
    dataset = AnyScalePairDataset(_options(tmp_path, lr_size=lr_size, gt_size=64, **_folders(tmp_path, scale)))
    worst = max(_misalignment(dataset[SampleDraw(0, seed)]) for seed in range(80))
    assert worst < 0.65


def test_both_patches_are_turned_windows_of_their_images(tmp_path: Path) -> None:
    trees.save(tmp_path / "HR/a.png", trees.coordinates(96, 120, 7))
    trees.save(tmp_path / "LR3/a.png", trees.coordinates(32, 40, 9))
    dataset = AnyScalePairDataset(_options(tmp_path, gt_size=24, **_folders(tmp_path, 3)))
    turns, corners = set(), set()
    for seed in range(300):
        item = dataset[SampleDraw(0, seed)]
        lq, gt = (item[key][:2].numpy().astype(int) for key in ("lq", "gt"))
        found = []
        for patch, side in ((lq, 8), (gt, 24)):
            top, left = int(patch[0].min()), int(patch[1].min())
            window = np.mgrid[top : top + side, left : left + side]
            eight = [np.rot90(image, turn, (1, 2)) for turn in range(4) for image in (window, window[:, ::-1])]
            (turn,) = [number for number, image in enumerate(eight) if np.array_equal(image, patch)]
            found.append((top, left, turn))
        (lr_top, lr_left, lr_turn), (top, left, turn) = found
        assert (top, left, turn) == (3 * lr_top, 3 * lr_left, lr_turn)
        turns.add(turn)
        corners.add((lr_top, lr_left))
    assert turns == set(range(8))
    assert {corner[0] for corner in corners} == set(range(25))
    assert {corner[1] for corner in corners} == set(range(33))


def test_a_view_has_windows_anywhere_on_the_hr_grid(tmp_path: Path) -> None:
    trees.save(tmp_path / "HR/a.png", trees.coordinates(40, 64, 0))
    trees.save(tmp_path / "LR2/a.png", trees.coordinates(40, 64, 0))
    options = _options(tmp_path, gt_size=16, use_hflip=False, use_rot=False, **_folders(tmp_path, 2))
    dataset = AnyScalePairDataset(options)
    corners = set()
    for seed in range(400):
        item = dataset[SampleDraw(0, seed)]
        top, left = item["gt"][:2, 0, 0].tolist()
        corners.add((top, left))
        inside = item["lq"][:2, 1:-1, 1:-1].numpy().astype(int)
        rows, columns = np.mgrid[1:7, 1:7]
        # Between two pixels of a ramp lies a half, which rounding may take either way.
        np.testing.assert_allclose(inside, [top + 2 * rows + 0.5, left + 2 * columns + 0.5], atol=0.51)
    assert {corner[0] for corner in corners} == set(range(25))
    assert {corner[1] for corner in corners} == set(range(49))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("view", [True, False])
@pytest.mark.parametrize("scale", SCALES)
def test_whole_pairs_show_the_same_field(tmp_path: Path, scale: float, view: bool, dtype: type) -> None:
    size, lr_size = (round(30 * scale), round(41 * scale)), (30, 41)
    files = fields.save_pair(tmp_path, scale, size, None if view else lr_size, dtype)
    dataset = AnyScalePairDataset(_val_options(tmp_path, **_folders(tmp_path, scale)))
    item = dataset[0]
    assert item.keys() == {"lq", "gt", "scale", "lq_path", "gt_path", "name", "camera"}
    assert item["lq"].dtype == item["gt"].dtype == torch.float32
    assert float(item["scale"]) == pytest.approx(scale)
    assert (item["gt_path"], item["lq_path"]) == tuple(map(str, files))
    assert item["name"] == f"a_x{scale:g}"
    peak = np.iinfo(dtype).max
    for key, grid in (("gt", size), ("lq", lr_size)):
        got = item[key].numpy() * peak
        expected = fields.sampled_field(size, grid, dtype).transpose(2, 0, 1)
        tolerance = 1e-3 * peak / 255 if key == "gt" or not view else 0.02 * peak
        np.testing.assert_allclose(got, expected, atol=tolerance)


@pytest.mark.parametrize("view", [True, False])
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("crop", [48, 64, 97, 1000])
def test_centre_crops_are_aligned_and_in_the_middle(tmp_path: Path, scale: float, view: bool, crop: int) -> None:
    size = (round(40 * scale), round(70 * scale))
    fields.save_pair(tmp_path, scale, size, None if view else (40, 70))
    item = AnyScalePairDataset(_val_options(tmp_path, crop=crop, **_folders(tmp_path, scale)))[0]
    for got, lr, whole, lr_whole in zip(item["gt"].shape[1:], item["lq"].shape[1:], size, (40, 70), strict=True):
        assert abs(got - min(crop, whole)) <= 5.5 * scale
        assert got == pytest.approx(lr * scale)
        assert (got == whole) == (lr == lr_whole)
    assert _misalignment(item) < 0.25
    whole = fields.sampled_field(size, size).transpose(2, 0, 1)
    top, left = ((full - side) // 2 for full, side in zip(size, item["gt"].shape[1:], strict=True))
    gt = (item["gt"] * 255).round().numpy()
    near = [
        np.array_equal(gt, whole[:, row : row + gt.shape[1], column : column + gt.shape[2]])
        for row in range(max(0, top - 16), top + 17)
        for column in range(max(0, left - 16), left + 17)
    ]
    assert any(near)


def test_the_side_is_that_of_the_scale_as_the_model_reads_it() -> None:
    """5 x 2.9 is 14.5 in float64, which rounds to 14, and a little more in float32, which rounds to 15."""
    image = np.full((29, 29, 3), 255, np.uint8)
    dataset = AnyScalePairs(
        [Pair("a", 2.9, Path("hr"), Path("lr"))], lr_size=5, gt_size=16, cache_bytes=0,
        read=lambda path: image, header=lambda path: ImageHeader(29, 29, 8),
    )  # fmt: skip
    item = dataset[SampleDraw(0, 0)]
    assert round(5 * float(item["scale"])) == 15
    assert int(item["gt"][0].count_nonzero()) == 15 * 15
    assert _square(item).min() == 255


def test_an_item_for_each_scene_and_scale(tmp_path: Path) -> None:
    root = trees.realsr(tmp_path)
    dataset = AnyScalePairDataset(_options(root, layout="realsr"))
    assert [pair.name for pair in dataset.pairs[:4]] == ["Canon_001_x2", "Canon_001_x3", "Canon_001_x4", "Canon_002_x2"]
    assert len(dataset) == 9
    batch = next(iter(DataLoader(dataset, 9)))
    assert batch["scale"].tolist() == [2, 3, 4] * 3
    assert [int(blue) for blue in batch["lq"][:, 2, 0, 0]] == [20, 30, 40] * 3
    some = AnyScalePairDataset(_options(root, layout="realsr", scales=[2, 4], scenes="002"))
    assert [pair.scale for pair in some.pairs] == [2, 4]


def test_a_label_may_be_left_out(tmp_path: Path) -> None:
    root = trees.realsr(tmp_path, count=1)
    options = _val_options(root, layout="realsr", split="Train", scales={2: 2.1, 3: None})
    dataset = AnyScalePairDataset(options)
    assert [float(dataset[index]["scale"]) for index in range(len(dataset))] == pytest.approx([2.1, 4])


def test_views_come_to_the_size_of_their_true_scale(tmp_path: Path) -> None:
    root = trees.realsr(tmp_path, count=1, size=(48, 64))
    options = _val_options(root, layout="realsr", split="Train", scales={2: 2.1, 4: 3.75})
    dataset = AnyScalePairDataset(options)
    assert [(item["name"], *item["lq"].shape) for item in map(dataset.__getitem__, range(3))] == [
        ("Canon_001_x2.1", 3, 23, 30), ("Canon_001_x3", 3, 16, 21), ("Canon_001_x3.75", 3, 13, 17),
    ]  # fmt: skip
    assert [float(dataset[index]["scale"]) for index in range(3)] == pytest.approx([2.1, 3, 3.75])


def test_16_bit_pairs_train_as_8_bits(tmp_path: Path) -> None:
    for dtype in (np.uint8, np.uint16):
        fields.save_pair(tmp_path / dtype.__name__, 2, (64, 80), (32, 40), dtype)
    eight, sixteen = (
        AnyScalePairDataset(_options(tmp_path, **_folders(tmp_path / name, 2)))[SampleDraw(0, 5)]
        for name in ("uint8", "uint16")
    )
    for key in ("lq", "gt"):
        assert int((eight[key].int() - sixteen[key].int()).abs().max()) <= 1


def test_pairs_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    fields.save_pair(tmp_path, 2, (64, 80), (31, 40))
    options = _options(tmp_path, gt_size=16, **_folders(tmp_path, 2))
    said = r"LR2/a\.png: expected 64x80 pixels .*, or 32x40 at scale 2, got 31x40; align the pair"
    with pytest.raises(ValueError, match=said):
        AnyScalePairDataset(options)


def test_patches_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    fields.save_pair(tmp_path, 2, (64, 80), (32, 40))
    for changes, said in (
        ({"lr_size": 17, "gt_size": 32}, "gt_size of 34 or more for lr_size 17 and scale 2, got 32"),
        (
            {"lr_size": 33, "gt_size": 66},
            r"HR/a\.png: expected at least 66x66 pixels for lr_size 33 at scale 2, got 64x80",
        ),
    ):
        with pytest.raises(ValueError, match=said):
            AnyScalePairDataset(_options(tmp_path, **{**_folders(tmp_path, 2), **changes}))


@pytest.mark.parametrize(("changes", "said"), [
    ({"lr_size": None}, "expected lr_size for AnyScalePairDataset, got none"),
    ({"lr_size": 0}, "lr_size of 1 or more, got 0"),
    ({"crop": 64}, "crop of AnyScalePairDataset in the val phase only"),
    ({**WHOLE, "crop": 0}, "crop of 1 or more, got 0"),
    ({**WHOLE, "crop": "half"}, "crop of AnyScalePairDataset as a whole number, got 'half'"),
    ({**WHOLE, "gt_size": 32}, "gt_size of AnyScalePairDataset in the train phase only, got 32"),
    ({**WHOLE, "lr_size": 8, "phase": "test"}, "lr_size of AnyScalePairDataset in the train phase only, got 8"),
    ({"scales": [3]}, "expected pairs at scale 3, got 2.9"),
    ({"scales": 2}, "expected scales as a list"),
    ({"scales": ["2"]}, "expected scales as a list"),
    ({"scales": []}, "expected scales as a list"),
    ({"scale_list": [2]}, r"got 'scale_list'"),
    ({"lr_sizes": 8}, r"got 'lr_sizes'; did you mean 'lr_size'\?"),
    ({"dataroot_lq": "x"}, "expected no dataroot_lq .* layout: folders"),
    ({"lq": {2: "x"}}, "lq: {2: folder, ...} with layout folders"),
    ({"io_backend": {"type": "lmdb"}}, "got lmdb; name a folder of files"),
])  # fmt: skip
def test_other_options_are_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    trees.city100(tmp_path, 1)
    with pytest.raises(ValueError, match=said):
        AnyScalePairDataset(_options(tmp_path, **changes))


def test_no_pairs_are_refused() -> None:
    with pytest.raises(ValueError, match="expected pairs of HR and LR images, got none"):
        AnyScalePairs([])
