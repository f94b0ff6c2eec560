"""What data sets of images share: decoded files in memory that all workers use, and crops that lie in eight ways."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from degflow_aug.data.decode_cache import DecodeCache
from degflow_aug.data.tensors import draw_turn, to_8_bits

CACHE_BYTES = 2 << 30


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
