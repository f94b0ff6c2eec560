"""The data loader: random streams that never repeat, and prefetching that fails loudly instead of hanging.

BasicSR 1.4.2 seeds NumPy and ``random`` in the workers with the same numbers every epoch. Its CPU prefetcher reads
ahead in a thread whose exceptions nobody sees, so that a broken image leaves training waiting for ever.
"""

from __future__ import annotations

import functools
import logging
import queue
import random
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any

import numpy as np
import torch
import torch.utils.data

from degflow_aug.files.home_path import home_path
from degflow_aug.files.lmdb_store import read_lmdb_value


def seed_worker(worker_id: int, num_workers: int = 0, rank: int = 0, seed: int = 0) -> None:
    """Seed NumPy and ``random`` in a worker from torch's seed there, which differs by epoch, worker and rank.

    The arguments are those that BasicSR binds; torch's seed already holds what they stand for.
    """
    worker_seed = torch.initial_seed()
    random.seed(worker_seed)
    np.random.seed([worker_seed & 0xFFFFFFFF, worker_seed >> 32 & 0xFFFFFFFF])  # noqa: NPY002 - BasicSR's datasets use it


class PrefetchGenerator:
    """Reads ahead in a thread, and raises its exceptions at the ``next`` that would have got the batch.

    The thread starts with the first ``next``: BasicSR makes one iterator that it never reads, and a thread waiting
    for its reader would keep that iterator's workers alive.
    """

    def __init__(self, generator: Iterator[Any], num_prefetch_queue: int) -> None:
        self.generator = generator
        self.queue: queue.Queue[tuple[Any, BaseException | None]] = queue.Queue(num_prefetch_queue)
        self.thread: threading.Thread | None = None

    def _read(self) -> None:
        try:
            for batch in self.generator:
                self.queue.put((batch, None))
            self.queue.put((None, StopIteration()))
        except BaseException as error:
            self.queue.put((None, error))

    def __iter__(self) -> PrefetchGenerator:
        return self

    def __next__(self) -> Any:
        if self.thread is None:
            self.thread = threading.Thread(target=self._read, daemon=True)
            self.thread.start()
        batch, error = self.queue.get()
        if error is not None:
            # A second call must end as well, not wait for a thread that has finished.
            self.queue.put((None, error))
            raise error
        return batch


class LmdbBackend:
    """Takes the place of BasicSR's class of this name: opens the LMDB for each read.

    BasicSR keeps it open, and a second data set of the same LMDB, such as that of validation, ends the run.
    """

    def __init__(self, db_paths: str | Sequence[str], client_keys: str | Sequence[str] = "default", **_: Any) -> None:
        names, folders = ([each] if isinstance(each, str) else list(each) for each in (client_keys, db_paths))
        self._folders = dict(zip(names, map(home_path, folders), strict=True))

    def get(self, filepath: str, client_key: str) -> bytes:
        """The value of a key in the LMDB that goes by ``client_key``."""
        return read_lmdb_value(self._folders[client_key] / str(filepath))


def settle_loading_options(dataset_opt: dict[str, Any], logger: logging.Logger) -> None:
    """Correct, in place and with a warning, the loading options that this machine or this loader cannot honour.

    ``prefetch_mode: cuda`` needs CUDA; ``persistent_workers`` needs workers, and validation has none.
    """
    phase = dataset_opt["phase"]
    if dataset_opt.get("prefetch_mode") == "cuda" and not torch.cuda.is_available():
        logger.warning(f"datasets.{phase}: no CUDA device for prefetch_mode: cuda; loading without prefetching.")
        dataset_opt["prefetch_mode"] = None
    has_workers = phase == "train" and dataset_opt.get("num_worker_per_gpu", 0) > 0
    if dataset_opt.get("persistent_workers") and not has_workers:
        logger.warning(f"datasets.{phase}: persistent_workers without workers has no effect; turned off.")
        dataset_opt["persistent_workers"] = False


def quiet_end(iterator: type[Any]) -> None:
    """Let an iterator over workers be thrown away without a traceback, whatever becomes of its workers meanwhile.

    The end of a killed worker is raised wherever its parent is. Where that is the making of the next epoch's iterator,
    this one has no list of workers yet; where it is the collection of one, nobody is there to take the exception.
    Python prints both on stderr. A worker that is still needed is missed where its images are.
    """
    collect = iterator.__del__  # type: ignore[attr-defined]

    @functools.wraps(collect)
    def collect_what_there_is(self: Any) -> None:
        with suppress(Exception):
            collect(self)

    iterator.__del__ = collect_what_there_is  # type: ignore[attr-defined]


def tell_of_workers_once(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Keep quiet, as a ``sys.excepthook``, in a worker whose batches are no longer taken because another was killed.

    The thread of multiprocessing that hands batches over would print how that failed; the parent tells it all.
    """
    if torch.utils.data.get_worker_info() is None or not isinstance(error, (ConnectionError, EOFError)):
        sys.__excepthook__(kind, error, trace)


def patch() -> None:
    """Install the worker seeds and the prefetcher in BasicSR, and the quiet ends in torch and in workers."""
    import basicsr.data
    import basicsr.data.prefetch_dataloader
    from basicsr.utils import FileClient
    from torch.utils.data import dataloader

    quiet_end(dataloader._MultiProcessingDataLoaderIter)
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = tell_of_workers_once

    FileClient._backends["lmdb"] = LmdbBackend
    basicsr.data.worker_init_fn = seed_worker
    basicsr.data.prefetch_dataloader.PrefetchGenerator = PrefetchGenerator
