"""HR images and their views at the knots: the same crop and the same flip for all of a scene."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from degflow_aug.data import dataset_keys as keys
from degflow_aug.data.cached_images import CACHE_BYTES, CachedImages
from degflow_aug.data.layouts.common_part import scene_sizes
from degflow_aug.data.layouts.find import find_scenes
from degflow_aug.data.layouts.lmdb import find_lmdb_images
from degflow_aug.data.layouts.scene import Scene, gather_scenes, take_complete, view_scale
from degflow_aug.data.layouts.scene_files import one_per_scale
from degflow_aug.data.tensors import bring_to_grid, to_tensor
from degflow_aug.draws import SampleDraw, resolve_draw
from degflow_aug.files.home_path import home_path
from degflow_aug.files.image_decoder import ImageHeader
from degflow_aug.files.image_file import read_header, read_image
from degflow_aug.files.lmdb_store import read_lmdb_header, read_lmdb_image

CROP_MULTIPLE = 8
_KIND = "AlignedScalesDataset"
_KEYS = {
    "layout", "split", "cameras", "pattern", "scenes", "scales", "knots", "incomplete", "cache_mb", "dataroot_views",
    "io_backend", "gt_size", "multiple", "use_hflip", "use_rot",
}  # fmt: skip
_REFUSED_KEYS = {
    **keys.UNSCALED,
    "meta_info": "scenes: selects by id",
    "meta_info_file": "scenes: selects by id",
    "dataroot_lq": "the layout says where views are, or dataroot_views for LMDB",
}


class AlignedScales(CachedImages):
    """Scenes as training items: HR (3, P, P) and its K - 1 views on the HR grid, float32 in [0, 1].

    Views that lie on disk in LR size are brought to the HR grid by bicubic interpolation; HR is cut to what all of them
    show, see :func:`~degflow_aug.data.layouts.common_part.pair_sizes`.

    Args:
        scenes: what :func:`find_scenes` found.
        knots: scales of the items, rising from 1 (the HR image); all that occur by default.
        crop_size: side P of random crops, a multiple of 8; None gives whole images, neither cropped nor flipped.
        flip: mirror half of the crops left to right.
        rotate: mirror half of them top to bottom, and swap the axes of half.
        incomplete: what becomes of a scene without a view at some knot: ``refuse`` it by name, ``drop`` it, or
            ``keep`` it if it has any, with zeros in place of the others.
        multiple: sides of whole images are cut to multiples of it, at the bottom and right.
        cache_bytes: memory for decoded images, shared by the workers.
        read, header: how an image and its header are read.

    Raises:
        ValueError: no scene is left, a view is missing or of another size, or an image is smaller than a crop.
    """

    def __init__(
        self,
        scenes: Sequence[Scene],
        knots: Sequence[float] | None = None,
        *,
        crop_size: int | None = None,
        flip: bool = False,
        rotate: bool = False,
        incomplete: str = "refuse",
        multiple: int = 1,
        cache_bytes: int = CACHE_BYTES,
        read: Callable[[Path], np.ndarray] = read_image,
        header: Callable[[Path], ImageHeader] = read_header,
    ) -> None:
        if crop_size is not None and (crop_size < CROP_MULTIPLE or crop_size % CROP_MULTIPLE):
            raise ValueError(f"expected gt_size to be a multiple of {CROP_MULTIPLE}, got {crop_size}")
        super().__init__(crop_size, flip=flip, rotate=rotate, cache_bytes=cache_bytes, read=read, eight_bits=False)
        self.knots = _check_knots(knots, scenes)
        self.scenes = take_complete(scenes, self.knots, incomplete)
        header = functools.cache(header)
        found = scene_sizes(self.scenes, self.knots, header)
        if multiple < 1 or (multiple > 1 and crop_size is not None):
            raise ValueError(f"expected multiple of 1 or more, and of whole images alone (val phase), got {multiple}")
        found = [((height - height % multiple, width - width % multiple), views) for (height, width), views in found]
        self._sizes = [size for size, _ in found]
        self._parts = {path: part for _, views in found for path, part in views.items()}
        for scene, (size, views) in zip(self.scenes, found, strict=True):
            if not all(size):
                raise ValueError(f"{scene.hr}: expected at least {multiple}x{multiple} pixels, got less")
            for path in [scene.hr, *views]:
                self._admit(path, size, header(path).bits)

    def __len__(self) -> int:
        return len(self.scenes)

    @property
    def smallest_side(self) -> int:
        """Shortest side of all images in pixels, the largest crop there can be."""
        return min(min(size) for size in self._sizes)

    @property
    def frames(self) -> list[tuple[float, tuple[int, int]]]:
        """Scale and (height, width) of every view."""
        return [(scale, size) for size in self._sizes for scale in self.knots[1:]]

    def __getitem__(self, index: int | SampleDraw) -> dict[str, Any]:
        """Return one item; the same draw gives the same item whichever process makes it.

        Returns:
            hr (3, P, P) and views (K - 1, 3, P, P) in float32, [0, 1]; available (K - 1,), false where a view is zeros
            for want of one; scales (K - 1,); name, camera; gt_path, and lq_path of the first view there is.
        """
        number, seed = resolve_draw(index)
        scene, size = self.scenes[number], self._sizes[number]
        window = self._draw_crop(size, np.random.default_rng(seed))
        hr = to_tensor(window(self._on_hr_grid(scene.hr, size)))
        paths = [scene.views.get(scale) for scale in self.knots[1:]]
        views = [
            torch.zeros_like(hr) if path is None else to_tensor(window(self._on_hr_grid(path, size))) for path in paths
        ]
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

    def _on_hr_grid(self, path: Path, size: tuple[int, int]) -> np.ndarray:
        return self._cache.get(path, lambda: bring_to_grid(self._decode(path), size, self._parts.get(path)))


class AlignedScalesDataset(AlignedScales):
    """:class:`AlignedScales` as BasicSR builds it, from a dataset section of an option file.

    .. code-block:: yaml

        train:
          type: AlignedScalesDataset
          dataroot_gt: datasets/RealSR_v2_ordered
          layout: realsr          # realsr_v3, realsr_paper, city100, or pattern with
                                  # pattern: {hr: "HR/{id}.png", views: {2: "LR2/{id}.png"}}
          split: Train            # Train in the train phase, else Test
          cameras: [Canon]        # all by default
          scenes: "001-060"       # all by default
          scales: {2: 2.1}        # the scales that the layout's labels stand for; all are true by default
          knots: [1, 2, 4]        # all by default
          incomplete: refuse      # or drop: scenes that lack a view or the HR image
          gt_size: 256            # train phase only, as use_hflip and use_rot
          multiple: 64            # val phase only: sides are cut to multiples, at the bottom and right
          use_hflip: true
          use_rot: true
          cache_mb: 2048          # a process, shared by its workers
          io_backend: {type: disk}

    With ``io_backend: {type: lmdb}`` dataroot_gt is an LMDB and ``dataroot_views: {2: lr2.lmdb}`` takes the place of
    the layout; keys are equal in all of them.

    Raises:
        ValueError: an unknown key, or what :class:`AlignedScales` and :func:`find_scenes` refuse.
    """

    def __init__(self, opt: dict[str, Any]) -> None:
        self.opt = opt
        keys.check_keys(opt, _KIND, _KEYS, _REFUSED_KEYS)
        training = keys.is_training(opt)
        lmdb = keys.is_lmdb(opt)
        opt = opt if lmdb or opt.get("dataroot_views") is not None else keys.with_layout(opt, _KIND)
        super().__init__(
            _find_lmdb_scenes(opt) if lmdb else _find_file_scenes(opt, training),
            opt.get("knots"),
            crop_size=keys.whole_number(opt, "gt_size", _KIND) if training else None,
            incomplete=opt.get("incomplete", "keep" if opt.get("layout") == "realsr_v3" else "refuse"),
            multiple=keys.whole_number({"multiple": 1, **opt}, "multiple", _KIND),
            read=read_lmdb_image if lmdb else read_image,
            header=read_lmdb_header if lmdb else read_header,
            **keys.turns_and_cache(opt),
        )


def _find_file_scenes(opt: Mapping[str, Any], training: bool) -> list[Scene]:
    if not isinstance(opt.get("scales") or {}, Mapping):
        raise ValueError(f"expected scales as a mapping such as {{2: 2.1}}, got {opt['scales']!r}; knots chooses")
    if opt.get("dataroot_views") is not None:
        raise ValueError("expected dataroot_views with io_backend: {type: lmdb} only; for files name a layout")
    return find_scenes(
        keys.path(opt, "dataroot_gt", _KIND),
        opt["layout"],
        alone="drop" if opt.get("incomplete") == "drop" else "refuse",
        **keys.selection(opt, training),
    )


def _find_lmdb_scenes(opt: Mapping[str, Any]) -> list[Scene]:
    for key in ("layout", "split", "pattern", "scales"):
        if opt.get(key) is not None:
            raise ValueError(f"expected no {key} with io_backend: {{type: lmdb}}, got {opt[key]!r}; remove it")
    root = keys.path(opt, "dataroot_gt", _KIND)
    views = one_per_scale(
        (view_scale(scale), home_path(folder))
        for scale, folder in dict(keys.required(opt, "dataroot_views", _KIND)).items()
    )
    return gather_scenes(
        find_lmdb_images(root, views),
        root,
        cameras=opt.get("cameras"),
        scenes=opt.get("scenes"),
        alone="drop" if opt.get("incomplete") == "drop" else "refuse",
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
