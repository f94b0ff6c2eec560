"""Aligned scales as BasicSR builds them: a dataset section of an option file becomes typed arguments."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from degflow_aug.data import dataset_keys as keys
from degflow_aug.data.aligned_scales import AlignedScales
from degflow_aug.data.layouts.find import find_scenes
from degflow_aug.data.layouts.lmdb import find_lmdb_images
from degflow_aug.data.layouts.scene import Scene, gather_scenes, view_scale
from degflow_aug.files.image_file import read_header, read_image
from degflow_aug.files.lmdb_store import read_lmdb_header, read_lmdb_image

_KIND = "AlignedScalesDataset"
_KEYS = {
    "layout", "split", "cameras", "pattern", "scenes", "knots", "incomplete", "cache_mb", "dataroot_views",
    "io_backend", "gt_size", "use_hflip", "use_rot",
}  # fmt: skip
_REFUSED_KEYS = {
    **keys.UNSCALED,
    "meta_info": "scenes: selects by id",
    "meta_info_file": "scenes: selects by id",
    "dataroot_lq": "the layout says where views are, or dataroot_views for LMDB",
}


class AlignedScalesDataset(AlignedScales):
    """:class:`AlignedScales` as BasicSR builds it, from a dataset section of an option file.

    .. code-block:: yaml

        train:
          type: AlignedScalesDataset
          dataroot_gt: datasets/RealSR_v2_ordered
          layout: realsr          # realsr_v3, city100, or pattern with
                                  # pattern: {hr: "HR/{id}.png", views: {2: "LR2/{id}.png"}}
          split: Train            # Train in the train phase, else Test
          cameras: [Canon]        # all by default
          scenes: "001-060"       # all by default
          knots: [1, 2, 4]        # all by default
          incomplete: refuse      # or drop: scenes that lack a view or the HR image
          gt_size: 256            # train phase only, as use_hflip and use_rot
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
        super().__init__(
            _find_lmdb_scenes(opt) if lmdb else _find_file_scenes(opt, "Train" if training else "Test"),
            opt.get("knots"),
            crop_size=keys.whole_number(opt, "gt_size", _KIND) if training else None,
            flip=keys.flag(opt, "use_hflip"),
            rotate=keys.flag(opt, "use_rot"),
            incomplete=opt.get("incomplete", "keep" if opt.get("layout") == "realsr_v3" else "refuse"),
            cache_bytes=keys.cache_bytes(opt),
            read=read_lmdb_image if lmdb else read_image,
            header=read_lmdb_header if lmdb else read_header,
        )


def _find_file_scenes(opt: Mapping[str, Any], split: str) -> list[Scene]:
    if opt.get("dataroot_views") is not None:
        raise ValueError("expected dataroot_views with io_backend: {type: lmdb} only; for files name a layout")
    return find_scenes(
        keys.path(opt, "dataroot_gt", _KIND),
        keys.required(opt, "layout", _KIND),
        split=opt.get("split") or split,
        cameras=opt.get("cameras"),
        pattern=opt.get("pattern"),
        scenes=opt.get("scenes"),
        drop_without_hr=opt.get("incomplete") == "drop",
    )


def _find_lmdb_scenes(opt: Mapping[str, Any]) -> list[Scene]:
    for key in ("layout", "split", "pattern"):
        if opt.get(key) is not None:
            raise ValueError(f"expected no {key} with io_backend: {{type: lmdb}}, got {opt[key]!r}; remove it")
    root = keys.path(opt, "dataroot_gt", _KIND)
    views = {
        view_scale(scale): Path(folder) for scale, folder in dict(keys.required(opt, "dataroot_views", _KIND)).items()
    }
    return gather_scenes(
        find_lmdb_images(root, views),
        root,
        cameras=opt.get("cameras"),
        scenes=opt.get("scenes"),
        drop_without_hr=opt.get("incomplete") == "drop",
    )
