"""What data sets of images share: decoded files in memory that all workers use, and crops that lie in eight ways.

What came first into the memory stays. Under a shuffled epoch the image used least recently is the one needed soonest,
so that an LRU cache for half of the images serves 15 % of the reads, and one that evicts nothing serves half.
"""

from __future__ import annotations

import functools
import math
import mmap
import os
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from torch.utils.data import Dataset, get_worker_info

from degflow_aug.data.tensors import draw_turn, to_8_bits

CACHE_BYTES = 2 << 30
_ALIGNMENT = 64


class CachedImages(Dataset[dict[str, Any]]):
    """Base of data sets whose items are cut out of image files.

    A subclass reserves memory for each file (``_admit``) before workers start, and takes images from ``_load``.

    Args:
        crop_size: side P of random square crops; None for whole images, or where the subclass cuts in its own way.
        flip: mirror half of the crops left to right.
        rotate: mirror half of them top to bottom, and swap the axes of half.
        cache_bytes: memory for decoded images, shared by the workers.
        read: reads an image file as RGB (H, W, 3) in uint8 or uint16.
        eight_bits: round 16-bit images to uint8 as they are read.
    """

    accepts_draws = True

    def __init__(
        self,
        crop_size: int | None,
        *,
        flip: bool,
        rotate: bool,
        cache_bytes: int,
        read: Callable[[Path], np.ndarray],
        eight_bits: bool,
    ) -> None:
        self.crop_size, self.flip, self.rotate = crop_size, flip, rotate
        self._read, self._eight_bits = read, eight_bits
        self._cache = DecodeCache(cache_bytes)

    def _admit(self, path: Path, size: tuple[int, int], bits: int) -> None:
        """Check that a crop fits into an image of ``size``, and reserve memory for it as far as the budget goes.

        Raises:
            ValueError: the image is smaller than a crop.
        """
        if self.crop_size is not None and min(size) < self.crop_size:
            raise ValueError(
                f"{path}: expected at least {self.crop_size}x{self.crop_size} pixels for a crop, got "
                f"{size[0]}x{size[1]}; lower gt_size or take the image out"
            )
        dtype = np.uint16 if bits == 16 and not self._eight_bits else np.uint8
        self._cache.reserve(path, (*size, 3), dtype)

    def _load(self, path: Path) -> np.ndarray:
        """An image (H, W, 3), from memory where it is kept; it may be read-only."""
        return self._cache.get(path, functools.partial(self._decode, path))

    def _decode(self, path: Path) -> np.ndarray:
        """An image (H, W, 3) from its file, in uint8, or uint16 unless ``eight_bits``."""
        image = self._read(path)
        return to_8_bits(image) if self._eight_bits else image

    def _draw_turn(self, rng: np.random.Generator) -> Callable[[np.ndarray], np.ndarray]:
        """Draw a map of patches (P, P, 3) that flips and rotates them as this data set is asked to."""
        return draw_turn(rng, flip=self.flip, rotate=self.rotate)

    def _draw_crop(self, size: tuple[int, int], rng: np.random.Generator) -> Callable[[np.ndarray], np.ndarray]:
        """Draw a map of images (*size, 3) to crops (P, P, 3), flipped and rotated; whole images stay as they are."""
        crop = self.crop_size
        if crop is None:
            return lambda image: image
        top, left = (int(rng.integers(0, side - crop + 1)) for side in size)
        turn = self._draw_turn(rng)
        return lambda image: turn(image[top : top + crop, left : left + crop])


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
