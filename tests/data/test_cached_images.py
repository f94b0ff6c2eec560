"""What all data sets of images owe: the same item whoever makes it, files decoded once, crops that are windows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import trees
from torch.utils.data import DataLoader

from degflow_aug.data.aligned_scales_dataset import AlignedScalesDataset
from degflow_aug.data.any_scale_pair_dataset import AnyScalePairDataset
from degflow_aug.data.cached_images import CachedImages
from degflow_aug.data.hr_crop_dataset import HRCropDataset
from degflow_aug.data.mixed_pair_dataset import MixedPairDataset
from degflow_aug.draws import DrawSampler
from degflow_aug.files.image_decoder import decode_image
from degflow_aug.files.image_file import read_image

Kind = type[AlignedScalesDataset | AnyScalePairDataset | HRCropDataset]
SIZES: dict[Kind, dict[str, int]] = {
    AlignedScalesDataset: {"gt_size": 16},
    AnyScalePairDataset: {"gt_size": 32, "lr_size": 8},
    HRCropDataset: {"gt_size": 16},
}


@pytest.fixture(params=SIZES, ids=lambda kind: kind.__name__)
def kind(request: pytest.FixtureRequest) -> Kind:
    return request.param


def _options(kind: Kind, root: Path, **changes: Any) -> dict[str, Any]:
    return {
        "name": "set", "phase": "train", "scale": 4, "dataroot_gt": str(root), "layout": "realsr", **SIZES[kind],
        "use_hflip": True, "use_rot": True, "io_backend": {"type": "disk"}, "num_worker_per_gpu": 0,
        "batch_size_per_gpu": 2, "dataset_enlarge_ratio": 1, "prefetch_mode": None, "cache_mb": 1, **changes,
    }  # fmt: skip


def _mixed(root: Path, **changes: Any) -> MixedPairDataset:
    part = {"dataroot_gt": str(root), "layout": "realsr", **changes}
    return MixedPairDataset({
        "name": "set", "phase": "train", "gt_size": 32, "lr_size": 8, "real_share": 0.5,
        "real": {"type": "AnyScalePairDataset", **part}, "hr": {"type": "HRCropDataset", **part},
    })  # fmt: skip


def _same(first: dict[str, Any], second: dict[str, Any]) -> bool:
    return first.keys() == second.keys() and all(
        torch.equal(value, second[key]) if isinstance(value, torch.Tensor) else value == second[key]
        for key, value in first.items()
    )


@pytest.mark.parametrize("kind", [*SIZES, MixedPairDataset], ids=lambda kind: kind.__name__)
def test_a_draw_gives_one_item_whatever_the_workers_and_the_cache(tmp_path: Path, kind: Any) -> None:
    trees.realsr(tmp_path)

    def epoch(workers: int, cache_mb: float) -> list[dict[str, Any]]:
        if kind is MixedPairDataset:
            dataset: Any = _mixed(tmp_path, cache_mb=cache_mb)
        else:
            dataset = kind(_options(kind, tmp_path, cache_mb=cache_mb))
        sampler = DrawSampler(dataset, 1, 0, 12 / len(dataset), seed=4)
        return list(DataLoader(dataset, 2, sampler=sampler, num_workers=workers))

    expected = epoch(0, 0)
    assert len(expected) == 6
    assert not _same(expected[0], expected[1])
    for workers, cache_mb in ((0, 1), (2, 1), (2, 0.01)):
        assert all(_same(one, other) for one, other in zip(expected, epoch(workers, cache_mb), strict=True))


def test_plain_indices_follow_the_seed_of_torch(tmp_path: Path, kind: Kind) -> None:
    dataset = kind(_options(kind, trees.realsr(tmp_path)))
    torch.manual_seed(3)
    first, second = dataset[0], dataset[0]
    torch.manual_seed(3)
    assert _same(first, dataset[0])
    assert not _same(first, second)


def test_files_are_decoded_once_and_headers_only_at_first(
    tmp_path: Path, kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[str] = []

    def decode(data: bytes, name: str) -> np.ndarray:
        reads.append(name)
        return decode_image(data, name)

    monkeypatch.setattr("degflow_aug.files.image_file.decode_image", decode)
    dataset = kind(_options(kind, trees.realsr(tmp_path, scales=(2,))))
    assert reads == []
    for _ in range(4):
        for number in range(3):
            dataset[number]
    assert len(reads) == len(set(reads)) == (3 if kind is HRCropDataset else 6)


@pytest.mark.parametrize(
    ("flip", "rotate", "count"), [(False, False, 1), (True, False, 2), (False, True, 4), (True, True, 8)]
)
def test_crops_are_turned_windows_of_the_image(flip: bool, rotate: bool, count: int) -> None:
    images = CachedImages(16, flip=flip, rotate=rotate, cache_bytes=0, read=read_image, eight_bits=True)
    frame, rng = trees.coordinates(48, 64, 0), np.random.default_rng(0)
    corners, turns = set(), set()
    for _ in range(300):
        patch = images._draw_crop((48, 64), rng)(frame)[..., :2].transpose(2, 0, 1).astype(int)
        top, left = int(patch[0].min()), int(patch[1].min())
        window = np.mgrid[top : top + 16, left : left + 16]
        eight = [np.rot90(image, turn, (1, 2)) for turn in range(4) for image in (window, window[:, ::-1])]
        (turn,) = [number for number, image in enumerate(eight) if np.array_equal(image, patch)]
        corners.add((top, left))
        turns.add(turn)
    assert len(turns) == count
    tops, lefts = ({corner[axis] for corner in corners} for axis in (0, 1))
    assert {0, 32} <= tops <= set(range(33))
    assert {0, 48} <= lefts <= set(range(49))


@pytest.mark.parametrize("kind", [AlignedScalesDataset, HRCropDataset], ids=lambda kind: kind.__name__)
def test_an_image_smaller_than_a_crop_is_refused_at_once(tmp_path: Path, kind: Kind) -> None:
    trees.city100(tmp_path)
    for name in ("003H.PNG", "003L.PNG"):
        trees.save(tmp_path / name, trees.coordinates(48, 24, 0))
    said = r"003H\.PNG: expected at least 32x32 pixels for a crop, got 48x24; lower gt_size or take the image out"
    with pytest.raises(ValueError, match=said):
        kind(_options(kind, tmp_path, layout="city100", gt_size=32))
    assert len(kind(_options(kind, tmp_path, layout="city100", gt_size=24))) == 4
    assert len(kind(_options(kind, tmp_path, layout="city100", phase="val"))) == 4


@pytest.mark.parametrize(("changes", "said"), [
    ({"gt_size": None}, "expected gt_size for {kind}, got none"),
    ({"gt_size": "big"}, "expected gt_size of {kind} as a whole number, got 'big'"),
    ({"gt_size": 0}, "gt_size"),
    ({"dataroot_gt": None}, "expected dataroot_gt"),
    ({"dataroot_gt": 7}, "expected dataroot_gt of {kind} as a path, got 7"),
    ({"layout": "real_sr"}, r"got 'real_sr'; did you mean 'realsr'\?"),
    ({"use_hflips": True}, r"got 'use_hflips'; did you mean 'use_hflip'\?"),
    ({"use_rot": "yes"}, "expected use_rot: true or false, got 'yes'"),
    ({"use_hflip": 1}, "use_hflip: true or false, got 1"),
    ({"mean": [0.5, 0.5, 0.5]}, r"expected no mean .*\[0, 1\]"),
    ({"dataroot_lq": "x"}, "expected no dataroot_lq for {kind}"),
    ({"phase": "training"}, "phase train, val or test, got 'training'"),
    ({"cache_mb": -1}, "0 bytes or more"),
    ({"io_backend": {"type": "petrel"}}, "disk or lmdb, got 'petrel'"),
])  # fmt: skip
def test_other_options_are_refused(tmp_path: Path, kind: Kind, changes: dict[str, Any], said: str) -> None:
    trees.realsr(tmp_path, count=1)
    with pytest.raises(ValueError, match=said.replace("{kind}", kind.__name__)):
        kind(_options(kind, tmp_path, **changes))


def test_null_options_count_as_absent(tmp_path: Path, kind: Kind) -> None:
    absent = dict.fromkeys(("mean", "std", "cameras", "scenes", "pattern", "io_backend", "prefetch_mode"))
    assert len(kind(_options(kind, trees.realsr(tmp_path, scales=(2,)), **absent))) == 3
