"""Pairs on the HR grid: the same window of HR and a view, whatever size the view has on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import trees
from PIL import Image

from degflow_aug.data.mixed_pair_dataset import MixedPairDataset
from degflow_aug.data.view_pair_dataset import ViewPairDataset
from degflow_aug.draws import SampleDraw


def options(root: Path, **changes: Any) -> dict[str, Any]:
    return {
        "name": "set", "type": "ViewPairDataset", "phase": "train", "dataroot_gt": str(root), "layout": "realsr",
        "gt_size": 16, "num_worker_per_gpu": 0, "batch_size_per_gpu": 2, "cache_mb": 1, **changes,
    }  # fmt: skip


def test_both_images_have_one_crop_and_flip(tmp_path: Path) -> None:
    dataset = ViewPairDataset(options(trees.realsr(tmp_path), scales=[2, 4]))
    assert len(dataset) == 6
    crops = set()
    for seed in range(60):
        item = dataset[SampleDraw(seed % 6, seed)]
        assert item.keys() == {"gt", "lq", "scale", "gt_path", "lq_path"}
        assert item["gt"].shape == item["lq"].shape == (3, 16, 16)
        assert item["gt"].dtype == item["lq"].dtype == torch.uint8
        # Red and green are row and column in both.
        assert torch.equal(item["gt"][:2], item["lq"][:2])
        assert (item["gt"][2] == 10).all()
        assert (item["lq"][2] == 10 * item["scale"]).all()
        assert item["lq_path"].endswith(f"LR{int(item['scale'])}.png")
        crops.add(item["gt"].numpy().tobytes())
    assert len(crops) > 50
    assert torch.equal(dataset[SampleDraw(3, 7)]["lq"], dataset[SampleDraw(3, 7)]["lq"])


def test_validation_has_whole_pairs(tmp_path: Path) -> None:
    trees.realsr(tmp_path, cameras=("Canon", "Nikon"), scales=(3,), count=1, split="Test")
    dataset = ViewPairDataset(options(tmp_path, phase="val", gt_size=None))
    items = [dataset[index] for index in range(len(dataset))]
    assert [(item["name"], item["camera"]) for item in items] == [("Canon_001_x3", "Canon"), ("Nikon_001_x3", "Nikon")]
    assert dataset.frames == [(3.0, (48, 64))] * 2
    for item in items:
        assert item["gt"].shape == item["lq"].shape == (3, 48, 64)
        assert torch.equal(item["lq"][0] * 255, torch.arange(48.0).reshape(-1, 1).expand(48, 64))
        assert item["scale"] == 3


def test_labels_stand_for_scales_or_are_left_out(tmp_path: Path) -> None:
    dataset = ViewPairDataset(options(trees.realsr(tmp_path, count=1), scales={2: 2.1, 3: None}))
    assert [float(dataset[index]["scale"]) for index in range(len(dataset))] == pytest.approx([2.1, 4])


def test_lr_files_are_brought_to_the_hr_grid(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
    trees.save(tmp_path / "hr/a.png", image)
    small = Image.fromarray(image).resize((16, 12), Image.Resampling.BICUBIC)
    trees.save(tmp_path / "lr/a.png", np.asarray(small))
    lq = {"lq": {2: str(tmp_path / "lr")}}
    item = ViewPairDataset(options(tmp_path / "hr", phase="val", gt_size=None, layout="folders", **lq))[0]
    truth = np.asarray(small.resize((32, 24), Image.Resampling.BICUBIC), np.float32).transpose(2, 0, 1)
    assert item["lq"].shape == (3, 24, 32)
    assert np.abs(item["lq"].numpy() * 255 - truth).max() <= 1


def test_they_may_be_a_share_of_photographs(tmp_path: Path) -> None:
    section = {key: value for key, value in options(trees.realsr(tmp_path)).items() if key in ("type", "dataroot_gt")}
    mixed = {
        "type": "MixedPairDataset", "phase": "train", "gt_size": 16, "real_share": 0.5, "real": section,
        "hr": {**section, "type": "HRCropDataset", "layout": "realsr"}, "num_worker_per_gpu": 0,
        "batch_size_per_gpu": 2,
    }  # fmt: skip
    dataset = MixedPairDataset(mixed)
    items = [dataset[SampleDraw(0, seed)] for seed in range(30)]
    assert {bool(item["has_lq"]) for item in items} == {False, True}
    assert {tuple(item[key].shape) for item in items for key in ("gt", "lq")} == {(3, 16, 16)}
    with pytest.raises(ValueError, match="lr_size for ViewPairDataset, got 8: LR has the size of HR"):
        MixedPairDataset({**mixed, "lr_size": 8})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lr_size": 8}, "expected no lr_size for ViewPairDataset, got 8: LR has the size of HR"),
        ({"gt_size": 20}, "multiple of 8"),
        ({"gt_size": 64}, "pixels for a crop"),
        ({"gt_size": None}, "expected gt_size for ViewPairDataset"),
        ({"phase": "val"}, "gt_size of ViewPairDataset in the train phase only, got 16; whole images are validated"),
        ({"scales": [5]}, "expected pairs at scale 5"),
        ({"knots": [1, 2]}, "got 'knots'"),
        ({"io_backend": {"type": "lmdb"}}, "type: disk"),
    ],
)
def test_mistakes_are_one_sentence(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        ViewPairDataset(options(trees.realsr(tmp_path), **changes))
