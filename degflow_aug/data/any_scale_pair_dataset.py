"""Real pairs as BasicSR builds them: a dataset section of an option file becomes typed arguments."""

from __future__ import annotations

from typing import Any

from degflow_aug.data import dataset_keys as keys
from degflow_aug.data.any_scale_pairs import AnyScalePairs
from degflow_aug.data.layouts.find import find_pair_scenes
from degflow_aug.data.layouts.scene_pairs import list_pairs

_KIND = "AnyScalePairDataset"
_KEYS = {
    "layout", "split", "cameras", "pattern", "scenes", "scales", "lq", "crop", "lr_size", "gt_size", "use_hflip",
    "use_rot", "cache_mb", "io_backend",
}  # fmt: skip
_REFUSED_KEYS = {
    **keys.UNSCALED,
    "meta_info": "scenes: selects by id",
    "meta_info_file": "scenes: selects by id",
    "dataroot_lq": "the layout says where LR images are, or with layout: folders lq: {4: folder}",
    "filename_tmpl": "layout: pattern knows names that differ",
}


class AnyScalePairDataset(AnyScalePairs):
    """:class:`AnyScalePairs` as BasicSR builds it, from a dataset section of an option file.

    .. code-block:: yaml

        val:
          type: AnyScalePairDataset
          dataroot_gt: datasets/RealSR_v2_ordered
          layout: realsr          # realsr_v3, realarbisr, city100, pattern with pattern: {hr: ..., views: {2: ...}}, or
                                  # folders, where dataroot_gt holds HR and lq: {2: folder, 2.9: folder} the same names
          split: Test             # Train in the train phase, else Test
          cameras: [Canon]        # all by default
          scenes: "001-060"       # all by default
          scales: [2, 4]          # all by default
          crop: 256               # val phase: only the middle, about so many HR pixels; whole images by default
          lr_size: 48             # train phase only, as gt_size, use_hflip and use_rot
          gt_size: 192            # round(lr_size * s) or more at the highest scale
          use_hflip: true
          use_rot: true
          cache_mb: 2048          # a process, shared by its workers

    Raises:
        ValueError: an unknown key, or what :class:`AnyScalePairs` and :func:`find_pair_scenes` refuse.
    """

    def __init__(self, opt: dict[str, Any]) -> None:
        self.opt = opt
        keys.check_keys(opt, _KIND, _KEYS, _REFUSED_KEYS)
        training = keys.is_training(opt)
        if keys.is_lmdb(opt):
            raise ValueError(f"expected io_backend: {{type: disk}} for {_KIND}, got lmdb; name a folder of files")
        if training and opt.get("crop") is not None:
            raise ValueError(
                f"expected crop of {_KIND} in the val phase only, got {opt['crop']!r}; set lr_size instead"
            )
        scenes = find_pair_scenes(
            keys.path(opt, "dataroot_gt", _KIND),
            keys.required(opt, "layout", _KIND),
            split=opt.get("split") or ("Train" if training else "Test"),
            cameras=opt.get("cameras"),
            pattern=opt.get("pattern"),
            scenes=opt.get("scenes"),
            lq=opt.get("lq"),
        )
        super().__init__(
            list_pairs(scenes, opt.get("scales")),
            lr_size=keys.whole_number(opt, "lr_size", _KIND) if training else None,
            gt_size=keys.whole_number(opt, "gt_size", _KIND) if training else None,
            crop=None if opt.get("crop") is None else keys.whole_number(opt, "crop", _KIND),
            flip=keys.flag(opt, "use_hflip"),
            rotate=keys.flag(opt, "use_rot"),
            cache_bytes=keys.cache_bytes(opt),
        )
