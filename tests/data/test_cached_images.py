"""What all data sets of images owe: the same item whoever makes it, files decoded once, crops that are windows."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import trees
from torch.utils.data import DataLoader, Dataset

from degflow_aug.data.aligned_scales_dataset import AlignedScalesDataset
from degflow_aug.data.any_scale_pair_dataset import AnyScalePairDataset
from degflow_aug.data.cached_images import CachedImages, DecodeCache
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


IMAGE = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)


class Loader:
    """Makes one array and counts how often."""

    def __init__(self, image: np.ndarray = IMAGE) -> None:
        self.image, self.calls = image, 0

    def __call__(self) -> np.ndarray:
        self.calls += 1
        return self.image


def test_what_fits_is_loaded_once() -> None:
    cache, load = DecodeCache(1000), Loader()
    for _ in range(3):
        np.testing.assert_array_equal(cache.get("a", load), IMAGE)
    assert load.calls == 1


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_arrays_come_back_as_they_were(dtype: type) -> None:
    cache = DecodeCache(10_000)
    images = [(np.random.default_rng(seed).random((3 + seed, 5, 3)) * 250).astype(dtype) for seed in range(4)]
    for _ in range(2):
        for number, image in enumerate(images):
            got = cache.get(number, Loader(image))
            assert got.dtype == dtype
            np.testing.assert_array_equal(got, image)


def test_kept_arrays_cannot_be_written_to() -> None:
    cache = DecodeCache(1000)
    cache.get("a", Loader())
    with pytest.raises(ValueError, match="read-only"):
        cache.get("a", Loader())[:] = 0


@pytest.mark.parametrize("budget", [0, 63, 300, 1000, 5000])
def test_the_budget_holds_and_what_came_first_stays(budget: int) -> None:
    cache, loaders = DecodeCache(budget), [Loader() for _ in range(20)]
    for _ in range(2):
        for number, load in enumerate(loaders):
            np.testing.assert_array_equal(cache.get(number, load), IMAGE)
    kept = [load.calls == 1 for load in loaders]
    assert kept == sorted(kept, reverse=True)
    assert sum(kept) == min(20, budget // 128)


def test_an_array_unlike_its_reservation_is_passed_through() -> None:
    cache, load = DecodeCache(1000), Loader()
    assert cache.reserve("a", (4, 5, 4), np.uint8)
    for _ in range(2):
        np.testing.assert_array_equal(cache.get("a", load), IMAGE)
    assert load.calls == 2


def test_a_negative_budget_is_refused() -> None:
    with pytest.raises(ValueError, match="0 bytes or more"):
        DecodeCache(-1)


class Images(Dataset[torch.Tensor]):
    """Notes in a file who loads what."""

    def __init__(self, log: Path, reserve: bool, budget: int = 8 * 128) -> None:
        self.cache, self.log = DecodeCache(budget), log
        if reserve:
            for number in range(8):
                assert self.cache.reserve(number, IMAGE.shape, IMAGE.dtype)

    def load(self, number: int) -> np.ndarray:
        with self.log.open("a") as log:
            log.write(f"{os.getpid()} {number}\n")
        return IMAGE + number

    def __len__(self) -> int:
        return 8

    def __getitem__(self, number: int) -> torch.Tensor:
        return torch.tensor(self.cache.get(number, lambda: self.load(number)))


def test_forked_workers_of_all_epochs_share_what_was_reserved(tmp_path: Path) -> None:
    dataset = Images(tmp_path / "log", reserve=True)
    for _ in range(3):
        for number, image in enumerate(DataLoader(dataset, None, num_workers=2, multiprocessing_context="fork")):
            assert torch.equal(image, torch.tensor(IMAGE) + number)
    lines = (tmp_path / "log").read_text().splitlines()
    assert sorted(line.split()[1] for line in lines) == list("01234567")
    assert len({line.split()[0] for line in lines}) == 2


def test_a_worker_without_shared_memory_gets_its_part_of_the_budget(tmp_path: Path) -> None:
    dataset = Images(tmp_path / "log", reserve=False, budget=4 * 128)
    copy = pickle.loads(pickle.dumps(dataset))
    assert copy.cache.budget_bytes == 4 * 128
    loader = DataLoader(copy, None, sampler=[0, 0, 2, 2, 4, 4] * 3, num_workers=2, multiprocessing_context="fork")
    for _ in loader:
        pass
    counts = [(tmp_path / "log").read_text().split().count(str(number)) for number in (0, 2, 4)]
    assert counts == [2, 2, 6]
