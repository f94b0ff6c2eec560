"""Decoded images kept in memory, within a budget, and shared by the workers of a DataLoader.

What came first stays. Under a shuffled epoch the image used least recently is the one needed soonest, so that an LRU
cache for half of the images serves 15 % of the reads, and one that evicts nothing serves half.
"""

from __future__ import annotations

import math
import mmap
import os
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from torch.utils.data import get_worker_info

_ALIGNMENT = 64


class _Slot(NamedTuple):
    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


class DecodeCache:
    """Keeps arrays up to a budget of bytes.

    What is reserved before worker processes are forked lies in memory that all of them share: decoded by whichever
    needs it first, and still there for the workers of the next epoch. What is not reserved is kept by a process of its
    own accord only if the memory is its own; workers that were spawned, and so share none, divide the budget.
    """

    def __init__(self, budget_bytes: int) -> None:
        if budget_bytes < 0:
            raise ValueError(f"expected a cache budget of 0 bytes or more, got {budget_bytes}")
        self.budget_bytes = int(budget_bytes)
        self._memory: np.ndarray | None = None
        self._owner = 0
        self._slots: dict[Hashable, _Slot] = {}
        self._used = 0

    def reserve(self, key: Hashable, shape: tuple[int, ...], dtype: npt.DTypeLike) -> bool:
        """Reserve memory for an array and return whether it fits. To be called before workers start."""
        memory = self._own_memory()
        if key in self._slots:
            return True
        slot = _Slot(self._used, tuple(shape), np.dtype(dtype))
        end = slot.offset + _ALIGNMENT + -(-_size(slot) // _ALIGNMENT) * _ALIGNMENT
        if os.getpid() != self._owner or end > memory.size:
            return False
        self._slots[key] = slot
        self._used = end
        return True

    def get(self, key: Hashable, load: Callable[[], np.ndarray]) -> np.ndarray:
        """Return the array of ``key``, which ``load`` makes if it is not kept; it may be read-only."""
        memory = self._own_memory()
        slot = self._slots.get(key)
        if slot is not None and memory[slot.offset]:
            return self._array(slot)
        image = load()
        if slot is None:
            if not self.reserve(key, image.shape, image.dtype):
                return image
            slot = self._slots[key]
        if (image.shape, image.dtype) != (slot.shape, slot.dtype):
            return image
        start = slot.offset + _ALIGNMENT
        # Two workers may come here with one image; they write the same bytes, and the mark follows them.
        memory[start : start + _size(slot)] = np.ascontiguousarray(image).reshape(-1).view(np.uint8)
        memory[slot.offset] = 1
        return self._array(slot)

    def _array(self, slot: _Slot) -> np.ndarray:
        start = slot.offset + _ALIGNMENT
        array = self._own_memory()[start : start + _size(slot)].view(slot.dtype).reshape(slot.shape)
        array.flags.writeable = False
        return array

    def _own_memory(self) -> np.ndarray:
        if self._memory is None:
            worker = get_worker_info()
            size = self.budget_bytes // (worker.num_workers if worker else 1)
            self._owner = os.getpid()
            self._memory = _shared_memory(size)
        return self._memory

    def __getstate__(self) -> dict[str, int]:
        return {"budget_bytes": self.budget_bytes}

    def __setstate__(self, state: dict[str, int]) -> None:
        self.__init__(state["budget_bytes"])  # type: ignore[misc]


def _size(slot: _Slot) -> int:
    return math.prod(slot.shape) * slot.dtype.itemsize


def _shared_memory(size: int) -> np.ndarray:
    """Zeros that forked processes share; pages cost nothing until written, and /dev/shm sets no limit to them."""
    if size == 0:
        return np.zeros(0, np.uint8)
    try:
        return np.frombuffer(mmap.mmap(-1, size), np.uint8)
    except (OSError, OverflowError) as error:
        raise ValueError(f"expected {size} bytes of memory for decoded images, got {error}; lower cache_mb") from error
