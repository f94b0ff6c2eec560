"""Worker seeds, prefetching, and loading options that a machine cannot honour."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from degflow_aug import compat
from degflow_aug.compat.loading import PrefetchGenerator, seed_worker, settle_loading_options
from degflow_aug.files.image_file import encode_image
from degflow_aug.files.lmdb_store import LmdbWriter

if not compat.has_basicsr():
    pytest.skip("BasicSR is not installed", allow_module_level=True)


@pytest.fixture(scope="module", autouse=True)
def patched() -> None:
    compat.patch_training()


def test_two_data_sets_of_basicsr_read_one_lmdb(tmp_path: Path) -> None:
    pytest.importorskip("lmdb")
    from basicsr.utils import FileClient

    with LmdbWriter(tmp_path / "x.lmdb") as writer:
        writer.put("a", encode_image(np.zeros((4, 5, 3), np.uint8)), (4, 5, 3))
    clients = [FileClient("lmdb", db_paths=[str(tmp_path / "x.lmdb")], client_keys=["gt"]) for _ in range(2)]
    assert len({bytes(client.get("a", "gt")) for client in clients}) == 1
    with pytest.raises(ValueError, match="expected an image with key 'b', got none"):
        clients[0].get("b", "gt")


class RandomNumbers(Dataset):
    """Items are what NumPy and random draw, as in BasicSR's datasets; ``broken`` names an item that cannot be read."""

    def __init__(self, length: int = 4, broken: int | None = None) -> None:
        self.length, self.broken = length, broken

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> torch.Tensor:
        if index == self.broken:
            raise OSError("broken image")
        drawn = np.random.randint(1_000_000_000)  # noqa: NPY002 - the legacy stream is the subject
        return torch.tensor([drawn, random.randrange(1_000_000_000)])


def loader(dataset: Dataset, **options: Any) -> DataLoader:
    """BasicSR's training loader."""
    from basicsr.data import build_dataloader

    opt = {"phase": "train", "batch_size_per_gpu": 1, "num_worker_per_gpu": 0, **options}
    return build_dataloader(dataset, opt, num_gpu=0, seed=0)


def test_streams_differ_by_epoch_and_worker() -> None:
    torch.manual_seed(0)
    batches = loader(RandomNumbers(), num_worker_per_gpu=2)
    numbers = torch.cat([torch.cat(list(batches)) for _ in range(2)])
    assert len(set(numbers[:, 0].tolist())) == len(set(numbers[:, 1].tolist())) == 8


@pytest.mark.parametrize("torch_seed", [0, 5, 2**32, 2**40 + 5, 2**63 - 1])
def test_worker_seed_is_a_function_of_all_bits_of_torchs_seed(torch_seed: int) -> None:
    def streams(seed: int) -> tuple[int, int]:
        torch.manual_seed(seed)
        seed_worker(0, num_workers=2, rank=0, seed=7)
        return int(np.random.randint(2**31)), random.randrange(2**31)  # noqa: NPY002

    states = np.random.get_state(), random.getstate()  # noqa: NPY002
    try:
        assert streams(torch_seed) == streams(torch_seed)
        others = [streams(torch_seed ^ bit) for bit in (1, 2**20, 2**33, 2**50)]
        assert streams(torch_seed) not in others
        assert len(set(others)) == 4
    finally:
        np.random.set_state(states[0])  # noqa: NPY002
        random.setstate(states[1])


@pytest.mark.parametrize("workers", [0, 1])
def test_cpu_prefetch_raises_what_the_dataset_raises(workers: int) -> None:
    batches = iter(loader(RandomNumbers(broken=2), prefetch_mode="cpu", num_worker_per_gpu=workers))
    with pytest.raises(OSError, match="broken image"):
        list(batches)
    with pytest.raises(OSError, match="broken image"):
        next(batches)


@pytest.mark.parametrize("persistent", [False, True])
def test_cpu_prefetch_with_workers_reads_every_epoch(persistent: bool) -> None:
    from basicsr.data.prefetch_dataloader import CPUPrefetcher

    options = {"num_worker_per_gpu": 1, "prefetch_mode": "cpu", "persistent_workers": persistent}
    prefetcher = CPUPrefetcher(loader(RandomNumbers(6), **options))
    seen = []
    for _ in range(3):
        prefetcher.reset()
        batches = iter(prefetcher.next, None)
        seen.append([tuple(batch[0].tolist()) for batch in batches])
    assert [len(epoch) for epoch in seen] == [6, 6, 6]
    assert len({numbers for epoch in seen for numbers in epoch}) == 18


def test_prefetch_keeps_order_ends_twice_and_starts_no_thread_unread() -> None:
    asked = []

    def numbers() -> Iterator[int]:
        for number in range(5):
            asked.append(number)
            yield number

    unread = PrefetchGenerator(numbers(), 1)
    assert unread.thread is None
    assert not asked
    read = PrefetchGenerator(numbers(), 2)
    assert list(read) == [0, 1, 2, 3, 4]
    assert list(read) == []


def test_cuda_prefetch_without_cuda_falls_back(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    opt = {"phase": "train", "prefetch_mode": "cuda", "num_worker_per_gpu": 1}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    settle_loading_options(opt, logging.getLogger("test"))
    assert opt["prefetch_mode"] == "cuda"
    assert not caplog.records
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    settle_loading_options(opt, logging.getLogger("test"))
    assert opt["prefetch_mode"] is None
    assert "no CUDA device for prefetch_mode: cuda" in caplog.text


@pytest.mark.parametrize(("phase", "workers", "kept"), [("train", 2, True), ("train", 0, False), ("val", 2, False)])
def test_persistent_workers_need_workers(
    phase: str, workers: int, kept: bool, caplog: pytest.LogCaptureFixture
) -> None:
    opt = {"phase": phase, "persistent_workers": True, "num_worker_per_gpu": workers}
    settle_loading_options(opt, logging.getLogger("test"))
    assert opt["persistent_workers"] is kept
    assert bool(caplog.records) is not kept


def test_a_worker_that_is_killed_while_its_iterator_goes_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

    def killed(self: Any) -> None:
        raise RuntimeError("DataLoader worker (pid 1) is killed by signal: Killed. ")

    iterator = _MultiProcessingDataLoaderIter.__new__(_MultiProcessingDataLoaderIter)
    monkeypatch.setattr(_MultiProcessingDataLoaderIter, "_shutdown_workers", killed)
    iterator.__del__()


class Complaining(Dataset):
    """Calls the hook for exceptions of threads, in a worker, as the thread that hands batches over does."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> int:
        import sys

        sys.excepthook(type(self.error), self.error, None)
        return index


@pytest.mark.parametrize(("error", "told"), [(BrokenPipeError("gone"), False), (ValueError("a mistake"), True)])
def test_workers_do_not_tell_of_lost_connections(
    error: Exception, told: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    list(DataLoader(Complaining(error), num_workers=1))
    assert (str(error) in capfd.readouterr().err) is told
