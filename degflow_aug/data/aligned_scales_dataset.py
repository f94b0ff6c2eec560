"""Aligned scales as BasicSR builds them: a dataset section of an option file becomes typed arguments."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from degflow_aug.data.aligned_scales import AlignedScales
from degflow_aug.data.image_file import read_header, read_image
from degflow_aug.data.layouts import find_scenes
from degflow_aug.data.lmdb_store import find_lmdb_images, read_lmdb_header, read_lmdb_image
from degflow_aug.data.scene import Scene, gather_scenes, nearest, view_scale

_OWN_KEYS = {
    "layout", "split", "cameras", "pattern", "scenes", "knots", "incomplete", "cache_mb", "dataroot_views",
}  # fmt: skip
_BASICSR_KEYS = {
    "name", "type", "phase", "scale", "dataroot_gt", "io_backend", "gt_size", "use_hflip", "use_rot",
    "num_worker_per_gpu", "batch_size_per_gpu", "dataset_enlarge_ratio", "use_shuffle", "prefetch_mode",
    "num_prefetch_queue", "pin_memory", "persistent_workers",
}  # fmt: skip
_REFUSED_KEYS = {
    "mean": "images stay in [0, 1]",
    "std": "images stay in [0, 1]",
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
        _check_keys(opt)
        phase = opt.get("phase")
        if phase not in ("train", "val", "test"):
            raise ValueError(f"expected phase train, val or test, got {phase!r}")
        lmdb = _is_lmdb(opt)
        training = phase == "train"
        super().__init__(
            _find_lmdb_scenes(opt) if lmdb else _find_file_scenes(opt, "Train" if training else "Test"),
            opt.get("knots"),
            crop_size=int(_required(opt, "gt_size")) if training else None,
            flip=bool(opt.get("use_hflip", True)),
            rotate=bool(opt.get("use_rot", True)),
            incomplete=opt.get("incomplete", "keep" if opt.get("layout") == "realsr_v3" else "refuse"),
            cache_bytes=int(float(opt.get("cache_mb", 2048)) * 2**20),
            read=read_lmdb_image if lmdb else read_image,
            header=read_lmdb_header if lmdb else read_header,
        )


def _check_keys(opt: Mapping[str, Any]) -> None:
    for key, value in opt.items():
        if key in _REFUSED_KEYS and value is not None:
            raise ValueError(f"expected no {key} for AlignedScalesDataset, got {value!r}: {_REFUSED_KEYS[key]}")
        known = _OWN_KEYS | _BASICSR_KEYS
        if key not in known and key not in _REFUSED_KEYS:
            raise ValueError(f"expected options of AlignedScalesDataset, got '{key}'{nearest(key, known)}")


def _required(opt: Mapping[str, Any], key: str) -> Any:
    if opt.get(key) is None:
        raise ValueError(f"expected {key} for AlignedScalesDataset, got none; add it to the dataset's section")
    return opt[key]


def _is_lmdb(opt: Mapping[str, Any]) -> bool:
    backend = (opt.get("io_backend") or {"type": "disk"}).get("type")
    if backend not in ("disk", "lmdb"):
        raise ValueError(f"expected io_backend: type: disk or lmdb, got {backend!r}")
    return bool(backend == "lmdb")


def _find_file_scenes(opt: Mapping[str, Any], split: str) -> list[Scene]:
    if opt.get("dataroot_views") is not None:
        raise ValueError("expected dataroot_views with io_backend: {type: lmdb} only; for files name a layout")
    return find_scenes(
        _required(opt, "dataroot_gt"),
        _required(opt, "layout"),
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
    root = Path(_required(opt, "dataroot_gt"))
    views = {view_scale(scale): Path(folder) for scale, folder in dict(_required(opt, "dataroot_views")).items()}
    return gather_scenes(
        find_lmdb_images(root, views),
        root,
        cameras=opt.get("cameras"),
        scenes=opt.get("scenes"),
        drop_without_hr=opt.get("incomplete") == "drop",
    )
