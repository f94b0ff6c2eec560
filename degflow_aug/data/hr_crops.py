"""HR images alone: crops for training on LR that is made on the fly, whole images for validation."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from degflow_aug.data.decode_cache import DecodeCache
from degflow_aug.data.resize import to_8_bits
from degflow_aug.data.tensors import to_tensor
from degflow_aug.data.turns import draw_turn
from degflow_aug.draws import SampleDraw, resolve_draw
from degflow_aug.files.image_decoder import ImageHeader
from degflow_aug.files.image_file import read_header, read_image
from degflow_aug.files.image_tree import TreeImage


class HRCrops(Dataset[dict[str, Any]]):
    """HR images as training items: uint8 crops (3, P, P), a quarter of the memory that float32 moves about.

    Args:
        images: names and files.
        crop_size: side P of random crops; None gives whole images, neither cropped nor flipped.
        flip: mirror half of the crops left to right.
        rotate: mirror half of them top to bottom, and swap the axes of half.
        cache_bytes: memory for decoded images, shared by the workers.
        read, header: how an image and its header are read.

    Raises:
        ValueError: there is no image, or one is smaller than a crop; only headers are read to find out.
    """

    accepts_draws = True

    def __init__(
        self,
        images: Sequence[TreeImage],
        *,
        crop_size: int | None = None,
        flip: bool = False,
        rotate: bool = False,
        cache_bytes: int = 2 << 30,
        read: Callable[[Path], np.ndarray] = read_image,
        header: Callable[[Path], ImageHeader] = read_header,
    ) -> None:
        if not images:
            raise ValueError("expected HR images, got none")
        if crop_size is not None and crop_size < 1:
            raise ValueError(f"expected gt_size of 1 or more, got {crop_size}")
        self.images = list(images)
        self.crop_size, self.flip, self.rotate = crop_size, flip, rotate
        self._read = read
        self._cache = DecodeCache(cache_bytes)
        for image in self.images:
            self._admit(image.path, header(image.path))

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int | SampleDraw) -> dict[str, Any]:
        """One item; the same draw gives the same item whichever process makes it.

        Returns:
            Crops: gt (3, P, P) in uint8, 16-bit images rounded; gt_path.
            Whole images: gt (3, H, W) in float32, [0, 1]; gt_path; name.
        """
        number, seed = resolve_draw(index)
        image = self.images[number]
        pixels = self._cache.get(image.path, functools.partial(self._load, image.path))
        if self.crop_size is None:
            return {"gt": to_tensor(pixels), "gt_path": str(image.path), "name": image.name}
        return {"gt": self._crop(pixels, np.random.default_rng(seed)), "gt_path": str(image.path)}

    def _crop(self, pixels: np.ndarray, rng: np.random.Generator) -> torch.Tensor:
        size = self.crop_size or 0
        top, left = (int(rng.integers(0, side - size + 1)) for side in pixels.shape[:2])
        patch = draw_turn(rng, flip=self.flip, rotate=self.rotate)(pixels[top : top + size, left : left + size])
        return torch.from_numpy(np.ascontiguousarray(patch.transpose(2, 0, 1)))

    def _load(self, path: Path) -> np.ndarray:
        image = self._read(path)
        return image if self.crop_size is None else to_8_bits(image)

    def _admit(self, path: Path, header: ImageHeader) -> None:
        """Check one image's size, and set cache memory aside for it as far as the budget goes."""
        height, width, bits = header
        if self.crop_size is not None and min(height, width) < self.crop_size:
            raise ValueError(
                f"{path}: expected at least {self.crop_size}x{self.crop_size} pixels for a crop, got "
                f"{height}x{width}; lower gt_size or take the image out"
            )
        dtype = np.uint16 if bits == 16 and self.crop_size is None else np.uint8
        self._cache.reserve(path, (height, width, 3), dtype)
