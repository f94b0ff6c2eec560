"""Real pairs come with their share, all items equally often, in batches of one form."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import trees

from degflow_aug.data.any_scale_pair_dataset import AnyScalePairs
from degflow_aug.data.hr_crop_dataset import HRCrops
from degflow_aug.data.mixed_pair_dataset import MixedPairDataset, MixedPairs
from degflow_aug.draws import DrawSampler, SampleDraw
from degflow_aug.files.image_tree import find_images


def _options(root: Path, real: dict[str, Any] | None = None, hr: dict[str, Any] | None = None, **changes: Any) -> Any:
    if not root.joinpath("real").exists():
        trees.realsr(root / "real", count=2)
        for number in range(4):
            trees.save(root / "hr" / f"{number:03d}.png", trees.coordinates(40, 40, 100 + number))
    sections = {
        "real": {"type": "AnyScalePairDataset", "dataroot_gt": str(root / "real"), "layout": "realsr", "cache_mb": 1},
        "hr": {"type": "HRCropDataset", "dataroot_gt": str(root / "hr"), "cache_mb": 1},
    }
    return {
        "name": "mixed", "type": "MixedPairDataset", "phase": "train", "scale": 4, "gt_size": 32, "lr_size": 8,
        "real_share": 0.3, "num_worker_per_gpu": 0, "batch_size_per_gpu": 2, "dataset_enlarge_ratio": 10,
        "real": {**sections["real"], **(real or {})}, "hr": {**sections["hr"], **(hr or {})}, **changes,
    }  # fmt: skip


def test_items_of_both_kinds(tmp_path: Path) -> None:
    dataset = MixedPairDataset(_options(tmp_path))
    assert dataset.opt["name"] == "mixed"
    assert len(dataset) == 6
    kinds = set()
    for seed in range(40):
        item = dataset[SampleDraw(seed % 6, seed)]
        assert item.keys() == {"gt", "lq", "scale", "has_lq", "gt_path", "lq_path"}
        assert (item["gt"].shape, item["lq"].shape) == ((3, 32, 32), (3, 8, 8))
        assert item["gt"].dtype == item["lq"].dtype == torch.uint8
        assert item["scale"].dtype == torch.float32
        assert item["has_lq"].dtype == torch.bool
        assert item["scale"].shape == item["has_lq"].shape == ()
        real = bool(item["has_lq"])
        kinds.add(real)
        assert Path(item["gt_path"]).is_relative_to(tmp_path / ("real" if real else "hr"))
        if real:
            assert item["scale"] in (2, 3, 4)
            assert int(item["lq"][2, 0, 0]) == 10 * int(item["scale"])
            assert item["lq_path"].endswith(f"LR{int(item['scale'])}.png")
        else:
            assert not item["lq"].any()
            assert item["scale"] == 0
            assert item["lq_path"] == ""
            assert int(item["gt"][2].min()) >= 100
    assert kinds == {True, False}


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_shares_are_kept_and_no_item_is_preferred(tmp_path: Path, share: float) -> None:
    dataset = MixedPairDataset(_options(tmp_path, real_share=share))
    counts: Counter[str] = Counter()
    draws = 1500
    for draw in DrawSampler(dataset, 1, 0, draws / 6, seed=1):
        item = dataset[draw]
        counts[item["lq_path"] or item["gt_path"]] += 1
    real = [count for path, count in counts.items() if "_LR" in path]
    hr = [count for path, count in counts.items() if "_LR" not in path]
    assert abs(sum(real) / draws - share) < 0.03
    for found, number, part in ((real, 6, share), (hr, 4, 1 - share)):
        assert len(found) == (number if part else 0)
        # Five standard deviations of a count.
        assert all(abs(count - draws * part / number) < 5 * (draws * part / number) ** 0.5 for count in found)


@pytest.mark.parametrize(("changes", "said"), [
    ({"phase": "val"}, "in the train phase only, got val"),
    ({"real_share": None}, "expected real_share for MixedPairDataset"),
    ({"real_share": 1.5}, "real_share from 0 to 1, got 1.5"),
    ({"real_share": "third"}, "real_share as a number, got 'third'"),
    ({"gt_size": None}, "expected gt_size for MixedPairDataset"),
    ({"gt_size": 31}, "gt_size of 32 or more for lr_size 8 and scale 4, got 31"),
    ({"lr_size": None}, "expected lr_size for MixedPairDataset"),
    ({"use_hflip": True}, "expected no use_hflip for MixedPairDataset, got True: it belongs in real: and in hr:"),
    ({"dataroot_gt": "x"}, "expected no dataroot_gt for MixedPairDataset"),
    ({"reals": {}}, r"got 'reals'; did you mean 'real'\?"),
    ({"hr": None}, "expected hr for MixedPairDataset"),
    ({"hr": "folder"}, "expected hr of MixedPairDataset as a section"),
])  # fmt: skip
def test_other_options_are_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        MixedPairDataset({**_options(tmp_path), **changes})


@pytest.mark.parametrize(("part", "changes", "said"), [
    ("real", {"type": "HRCropDataset"}, "with type: AnyScalePairDataset or ViewPairDataset, got"),
    ("hr", {"type": None}, "expected hr of MixedPairDataset with type: HRCropDataset, got None"),
    ("hr", {"gt_size": 32}, "expected no gt_size in hr of MixedPairDataset, got 32; move it one level up"),
    ("hr", {"phase": "val"}, "expected no phase in hr of MixedPairDataset, got 'val'; move it one level up"),
    ("real", {"phase": "train"}, "expected no phase in real"),
    ("real", {"num_worker_per_gpu": 2}, "expected no num_worker_per_gpu in real"),
    ("real", {"scales": [5]}, "expected pairs at scale 5"),
    ("hr", {"layout": "realsr"}, "expected folders"),
    ("hr", {"use_rott": True}, r"got 'use_rott'; did you mean 'use_rot'\?"),
])  # fmt: skip
def test_mistakes_in_parts_are_refused(tmp_path: Path, part: str, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        MixedPairDataset(_options(tmp_path, **{part: changes}))


def test_parts_of_different_patches_are_refused(tmp_path: Path) -> None:
    dataset = MixedPairDataset(_options(tmp_path))
    images = find_images(tmp_path / "hr")
    for real, hr in (
        (dataset.real, HRCrops(images, crop_size=24)),
        (dataset.real, HRCrops(images)),
        (AnyScalePairs(dataset.real.pairs), HRCrops(images)),
    ):
        with pytest.raises(ValueError, match="patches of one gt_size"):
            MixedPairs(real, hr, real_share=0.5)
