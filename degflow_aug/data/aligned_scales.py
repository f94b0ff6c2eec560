"""HR images and their views at the knots: the same crop and the same flip for all of a scene."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from degflow_aug.data.decode_cache import DecodeCache
from degflow_aug.data.layouts.scene import Scene, check_aligned
from degflow_aug.data.resize import resize_frame, round_to
from degflow_aug.data.tensors import to_tensor
from degflow_aug.data.turns import draw_turn
from degflow_aug.draws import SampleDraw, resolve_draw
from degflow_aug.files.image_decoder import ImageHeader
from degflow_aug.files.image_file import read_header, read_image

CROP_MULTIPLE = 8
INCOMPLETE = ("refuse", "drop", "keep")


class AlignedScales(Dataset[dict[str, Any]]):
    """Scenes as training items: HR (3, P, P) and its K - 1 views on the HR grid, float32 in [0, 1].

    Views that lie on disk in LR size are brought to the HR grid by bicubic interpolation.

    Args:
        scenes: what :func:`find_scenes` found.
        knots: scales of the items, rising from 1 (the HR image); all that occur by default.
        crop_size: side P of random crops, a multiple of 8; None gives whole images, neither cropped nor flipped.
        flip: mirror half of the crops left to right.
        rotate: mirror half of them top to bottom, and swap the axes of half.
        incomplete: what becomes of a scene without a view at some knot: ``refuse`` it by name, ``drop`` it, or
            ``keep`` it if it has any, with zeros in place of the others.
        cache_bytes: memory for decoded images, shared by the workers.
        read, header: how an image and its header are read.

    Raises:
        ValueError: no scene is left, a view is missing or of another size, or an image is smaller than a crop.
    """

    accepts_draws = True

    def __init__(
        self,
        scenes: Sequence[Scene],
        knots: Sequence[float] | None = None,
        *,
        crop_size: int | None = None,
        flip: bool = False,
        rotate: bool = False,
        incomplete: str = "refuse",
        cache_bytes: int = 2 << 30,
        read: Callable[[Path], np.ndarray] = read_image,
        header: Callable[[Path], ImageHeader] = read_header,
    ) -> None:
        if crop_size is not None and (crop_size < CROP_MULTIPLE or crop_size % CROP_MULTIPLE):
            raise ValueError(f"expected gt_size to be a multiple of {CROP_MULTIPLE}, got {crop_size}")
        self.knots = _check_knots(knots, scenes)
        self.scenes = _take_complete(scenes, self.knots, incomplete)
        self.crop_size, self.flip, self.rotate = crop_size, flip, rotate
        self._read = read
        header = functools.cache(header)
        self._sizes = [check_aligned(scene, header) for scene in self.scenes]
        self._check_crop()
        self._cache = DecodeCache(cache_bytes)
        self._reserve(header)

    def __len__(self) -> int:
        return len(self.scenes)

    @property
    def smallest_side(self) -> int:
        """Shortest side of all images in pixels, the largest crop there can be."""
        return min(min(size) for size in self._sizes)

    def __getitem__(self, index: int | SampleDraw) -> dict[str, Any]:
        """One item; the same draw gives the same item whichever process makes it.

        Returns:
            hr (3, P, P) and views (K - 1, 3, P, P) in float32, [0, 1]; available (K - 1,), false where a view is zeros
            for want of one; scales (K - 1,); name, camera; gt_path, and lq_path of the first view there is.
        """
        number, seed = resolve_draw(index)
        scene, size = self.scenes[number], self._sizes[number]
        window = self._draw_window(size, np.random.default_rng(seed))
        hr = to_tensor(window(self._load(scene.hr, size)))
        paths = [scene.views.get(scale) for scale in self.knots[1:]]
        views = [torch.zeros_like(hr) if path is None else to_tensor(window(self._load(path, size))) for path in paths]
        return {
            "hr": hr,
            "views": torch.stack(views),
            "available": torch.tensor([path is not None for path in paths]),
            "scales": torch.tensor(self.knots[1:], dtype=torch.float32),
            "name": scene.name,
            "camera": scene.camera,
            "gt_path": str(scene.hr),
            "lq_path": str(next(path for path in paths if path is not None)),
        }

    def _draw_window(self, size: tuple[int, int], rng: np.random.Generator) -> Callable[[np.ndarray], np.ndarray]:
        """The crop, flip and rotation of one item, as a map of images (H, W, 3)."""
        crop = self.crop_size
        if crop is None:
            return lambda image: image
        top, left = (int(rng.integers(0, side - crop + 1)) for side in size)
        turn = draw_turn(rng, flip=self.flip, rotate=self.rotate)
        return lambda image: turn(image[top : top + crop, left : left + crop])

    def _load(self, path: Path, size: tuple[int, int]) -> np.ndarray:
        return self._cache.get(path, functools.partial(self._read_on_hr_grid, path, size))

    def _read_on_hr_grid(self, path: Path, size: tuple[int, int]) -> np.ndarray:
        image = self._read(path)
        return image if image.shape[:2] == size else round_to(resize_frame(image, size), image.dtype)

    def _reserve(self, header: Callable[[Path], ImageHeader]) -> None:
        """Set cache memory aside scene by scene, as far as the budget goes."""
        for scene, size in zip(self.scenes, self._sizes, strict=True):
            for path in [scene.hr, *(scene.views[scale] for scale in self.knots if scale in scene.views)]:
                dtype = np.uint16 if header(path).bits == 16 else np.uint8
                self._cache.reserve(path, (*size, 3), dtype)

    def _check_crop(self) -> None:
        for scene, size in zip(self.scenes, self._sizes, strict=True):
            if self.crop_size is not None and min(size) < self.crop_size:
                raise ValueError(
                    f"{scene.hr}: expected at least {self.crop_size}x{self.crop_size} pixels for a crop, got "
                    f"{size[0]}x{size[1]}; lower gt_size or leave the scene out"
                )


def _check_knots(knots: Sequence[float] | None, scenes: Sequence[Scene]) -> tuple[float, ...]:
    """The knots as floats, 1 first."""
    if knots is None:
        knots = [1.0, *sorted({scale for scene in scenes for scale in scene.scales})]
    try:
        scales = tuple(float(knot) for knot in knots)
    except (TypeError, ValueError) as error:
        raise ValueError(f"expected knots as a list of scales such as [1, 2, 4], got {knots!r}") from error
    if len(scales) < 2 or scales[0] != 1 or any(low >= high for low, high in itertools.pairwise(scales)):
        raise ValueError(f"expected knots that rise from 1, the HR image, such as [1, 2, 4], got {list(scales)}")
    return scales


def _take_complete(scenes: Sequence[Scene], knots: tuple[float, ...], incomplete: str) -> list[Scene]:
    """The scenes with a view at each knot, or with any of them if incomplete ones are kept."""
    if incomplete not in INCOMPLETE:
        raise ValueError(f"expected incomplete: {', '.join(INCOMPLETE)}, got '{incomplete}'")
    taken = []
    for scene in scenes:
        lacking = [knot for knot in knots[1:] if knot not in scene.views]
        if lacking and incomplete == "refuse":
            raise ValueError(
                f"{scene.hr}: expected scene '{scene.name}' to have a view at scale {lacking[0]:g}, got views at "
                f"{_names(scene.scales)}; leave the scene out, name fewer knots, or set incomplete: drop"
            )
        if not lacking or (incomplete == "keep" and len(lacking) < len(knots) - 1):
            taken.append(scene)
    if not taken:
        found = sorted({scale for scene in scenes for scale in scene.scales})
        where = f"{scenes[0].hr.parent}: " if scenes else ""
        raise ValueError(f"{where}expected scenes with views at {_names(knots[1:])}, got views at {_names(found)}")
    return taken


def _names(scales: Sequence[float]) -> str:
    return ", ".join(f"{scale:g}" for scale in scales) or "no scale"
