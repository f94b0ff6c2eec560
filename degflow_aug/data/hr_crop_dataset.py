"""HR images alone: crops for training on LR that is made on the fly, whole images for validation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from degflow_aug.data import dataset_keys as keys
from degflow_aug.data.cached_images import CACHE_BYTES, CachedImages
from degflow_aug.data.layouts.find import find_pair_scenes
from degflow_aug.data.layouts.guess import PATTERN_FILE
from degflow_aug.data.layouts.scene_pairs import pair_names
from degflow_aug.data.tensors import to_tensor
from degflow_aug.draws import SampleDraw, resolve_draw
from degflow_aug.files.image_decoder import ImageHeader
from degflow_aug.files.image_file import read_header, read_image
from degflow_aug.files.image_tree import TreeImage, check_inside, find_images, say_other_size
from degflow_aug.files.lmdb_store import lmdb_keys, read_lmdb_header, read_lmdb_image
from degflow_aug.files.notice import notice
from degflow_aug.files.text_file import read_listed

_KIND = "HRCropDataset"
_LAYOUT_KEYS = ("split", "cameras", "pattern", "scenes")
_KEYS = {"layout", *_LAYOUT_KEYS, "meta_info", "io_backend", "gt_size", "use_hflip", "use_rot", "cache_mb"}
_BY_DEGRADATION = "LR is made from HR by the section degradation: of the option file"
_REFUSED_KEYS = {
    **keys.UNSCALED,
    "dataroot_lq": _BY_DEGRADATION,
    "meta_info_file": "name the list in meta_info",
    **dict.fromkeys(
        (
            "blur_kernel_size", "blur_kernel_size2", "blur_sigma", "blur_sigma2", "betag_range", "betag_range2",
            "betap_range", "betap_range2", "final_sinc_prob", "kernel_list", "kernel_list2", "kernel_prob",
            "kernel_prob2", "sinc_prob", "sinc_prob2",
        ),
        _BY_DEGRADATION,
    ),
}  # fmt: skip


class HRCrops(CachedImages):
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

    def __init__(
        self,
        images: Sequence[TreeImage],
        *,
        crop_size: int | None = None,
        flip: bool = False,
        rotate: bool = False,
        cache_bytes: int = CACHE_BYTES,
        read: Callable[[Path], np.ndarray] = read_image,
        header: Callable[[Path], ImageHeader] = read_header,
    ) -> None:
        if not images:
            raise ValueError("expected HR images, got none")
        if crop_size is not None and crop_size < 1:
            raise ValueError(f"expected gt_size of 1 or more, got {crop_size}")
        super().__init__(
            crop_size, flip=flip, rotate=rotate, cache_bytes=cache_bytes, read=read, eight_bits=crop_size is not None
        )
        self.images = list(images)
        for image in self.images:
            height, width, bits = header(image.path)
            say_other_size(image.path, image.listed, (height, width))
            self._admit(image.path, (height, width), bits)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int | SampleDraw) -> dict[str, Any]:
        """Return one item; the same draw gives the same item whichever process makes it.

        Returns:
            Crops: gt (3, P, P) in uint8, 16-bit images rounded; gt_path.
            Whole images: gt (3, H, W) in float32, [0, 1]; gt_path; name.
        """
        number, seed = resolve_draw(index)
        image = self.images[number]
        pixels = self._load(image.path)
        if self.crop_size is None:
            return {"gt": to_tensor(pixels), "gt_path": str(image.path), "name": image.name}
        height, width = pixels.shape[:2]
        patch = self._draw_crop((height, width), np.random.default_rng(seed))(pixels).transpose(2, 0, 1)
        return {"gt": torch.from_numpy(np.ascontiguousarray(patch)), "gt_path": str(image.path)}


class HRCropDataset(HRCrops):
    """:class:`HRCrops` as BasicSR builds it, from a dataset section of an option file.

    .. code-block:: yaml

        train:
          type: HRCropDataset
          dataroot_gt: datasets/DF2K      # images of this folder and those below it, or a list of folders
          meta_info: df2k.txt             # optional: one image per line, below dataroot_gt, as BasicSR lists them
          gt_size: 256                    # train phase only, as use_hflip and use_rot
          use_hflip: true
          use_rot: true
          cache_mb: 2048                  # a process, shared by its workers
          io_backend: {type: disk}        # or lmdb: dataroot_gt is x.lmdb

    The HR images of pairs are named by their layout, as for :class:`AnyScalePairDataset`: ``layout: city100`` and,
    optionally, ``split``, ``cameras``, ``scenes: "001-060"``, ``pattern``. The val phase gives whole images.

    Raises:
        ValueError: an unknown key, or what :class:`HRCrops` and the finders of images refuse.
    """

    def __init__(self, opt: dict[str, Any]) -> None:
        self.opt = opt
        keys.check_keys(opt, _KIND, _KEYS, _REFUSED_KEYS)
        training = keys.is_training(opt)
        lmdb = keys.is_lmdb(opt)
        super().__init__(
            _find(opt, lmdb, training),
            crop_size=keys.whole_number(opt, "gt_size", _KIND) if training else None,
            read=read_lmdb_image if lmdb else read_image,
            header=read_lmdb_header if lmdb else read_header,
            **keys.turns_and_cache(opt),
        )


def _find(opt: Mapping[str, Any], lmdb: bool, training: bool) -> list[TreeImage]:
    if opt.get("layout") is not None:
        return _find_in_layout(opt, lmdb, training)
    for key in _LAYOUT_KEYS:
        if opt.get(key) is not None:
            raise ValueError(f"expected {key} of {_KIND} together with layout, got {opt[key]!r} alone; name the layout")
    if opt.get("meta_info") is not None:
        return _read_list(keys.path(opt, "meta_info", _KIND), keys.path(opt, "dataroot_gt", _KIND), lmdb)
    if isinstance(opt.get("dataroot_gt"), list) and not lmdb:
        folders = [keys.path({"dataroot_gt": folder}, "dataroot_gt", _KIND) for folder in opt["dataroot_gt"]]
        return [image for folder in folders for image in find_images(folder)]
    root = keys.path(opt, "dataroot_gt", _KIND)
    if not lmdb and (root / PATTERN_FILE).is_file():
        notice(f"{root}: takes all images for HR, LR too, which degflow align writes; layout: pattern takes HR alone")
    return [TreeImage(key, root / key) for key in lmdb_keys(root)] if lmdb else find_images(root)


def _find_in_layout(opt: Mapping[str, Any], lmdb: bool, training: bool) -> list[TreeImage]:
    if lmdb or opt.get("meta_info") is not None:
        raise ValueError(f"expected layout of {_KIND} without meta_info and LMDB, got both; remove one of them")
    opt = keys.with_layout(opt, _KIND)
    scenes = find_pair_scenes(
        keys.path(opt, "dataroot_gt", _KIND),
        opt["layout"],
        **keys.selection(opt, training),
        alone="keep",
    )
    return [TreeImage(name, scene.hr) for name, scene in zip(pair_names(scenes), scenes, strict=True)]


def _read_list(path: Path, root: Path, lmdb: bool) -> list[TreeImage]:
    """Read a list of images: names below ``root``, each perhaps followed by its shape."""
    if not path.is_file():
        raise ValueError(f"{path}: expected the list of images that meta_info names, got none")
    listed = {Path(check_inside(name, path)): shape for name, shape in read_listed(path).items()}
    if not listed:
        raise ValueError(f"{path}: expected a line for each image, its path below {root}, got none")
    return [
        TreeImage((stem := name.with_suffix("")).as_posix(), root / (stem if lmdb else name), shape)
        for name, shape in listed.items()
    ]
