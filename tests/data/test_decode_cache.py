"""The cache keeps what it may, within its budget, and shares it between processes."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from degflow_aug.data.decode_cache import DecodeCache

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
