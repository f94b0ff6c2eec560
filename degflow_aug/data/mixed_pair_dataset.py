"""Real pairs among HR images that bring no LR: each draw is one or the other, by chance."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from degflow_aug.data import dataset_keys as keys
from degflow_aug.data.any_scale_pair_dataset import AnyScalePairDataset, AnyScalePairs
from degflow_aug.data.hr_crop_dataset import HRCropDataset, HRCrops
from degflow_aug.data.view_pair_dataset import ViewPairDataset, ViewPairs
from degflow_aug.draws import SampleDraw, resolve_draw
from degflow_aug.options.basicsr_keys import LOADER
from degflow_aug.options.nearest_name import nearest_name

_KIND = "MixedPairDataset"
_KEYS = {"real", "hr", "real_share", "gt_size", "lr_size"}
_REFUSED_KEYS = {
    **keys.UNSCALED,
    **dict.fromkeys(("dataroot_gt", "dataroot_lq"), "real: and hr: name their own"),
    **dict.fromkeys(("use_hflip", "use_rot", "cache_mb", "io_backend"), "it belongs in real: and in hr:"),
}
# What the loader or the whole section decides; a part that had them would be believed to decide it.
_NOT_IN_PARTS = {*LOADER, *_KEYS} - {"type", "name", "dataroot_gt", "dataroot_lq"}
_PARTS: dict[str, tuple[type, ...]] = {"real": (AnyScalePairDataset, ViewPairDataset), "hr": (HRCropDataset,)}


class MixedPairs(Dataset[dict[str, Any]]):
    """Training items of two data sets, with one set of keys so that they make a batch.

    An epoch is as long as the larger data set. Of either, all items are drawn equally often.

    Args:
        real: training patches of pairs; of those on the HR grid LR is as large as HR.
        hr: crops of the same size.
        real_share: probability of a real pair, from 0 to 1.

    Raises:
        ValueError: the data sets have no patches of one size, or ``real_share`` is no probability.
    """

    accepts_draws = True

    def __init__(self, real: AnyScalePairs | ViewPairs, hr: HRCrops, *, real_share: float) -> None:
        if real.lr_size is None or real.gt_size is None or real.gt_size != hr.crop_size:
            raise ValueError(
                f"expected real pairs and HR images as patches of one gt_size, got {real.gt_size} and {hr.crop_size}"
            )
        if not 0 <= real_share <= 1:
            raise ValueError(f"expected real_share from 0 to 1, got {real_share}")
        self.real, self.hr, self.real_share = real, hr, real_share
        self._no_lq = (3, real.lr_size, real.lr_size)

    def __len__(self) -> int:
        return max(len(self.real), len(self.hr))

    def __getitem__(self, index: int | SampleDraw) -> dict[str, Any]:
        """Return one item; the same draw gives the same item whichever process makes it.

        Returns:
            gt (3, P, P) in uint8, gt_path, has_lq () in bool; lq (3, L, L) in uint8, scale () in float32 and lq_path:
            zeros, 0 and '' where has_lq is false.
        """
        number, seed = resolve_draw(index)
        rng = np.random.default_rng(seed)
        is_real = bool(rng.random() < self.real_share)
        size = len(self.real) if is_real else len(self.hr)
        chance, inner_seed = int(rng.integers(size)), int(rng.integers(2**62))
        # Numbers beyond the smaller data set fall on any of its items, so that all remain equally likely.
        draw = SampleDraw(number if number < size else chance, inner_seed)
        if is_real:
            return {**self.real[draw], "has_lq": torch.tensor(True)}
        return {
            **self.hr[draw],
            "lq": torch.zeros(self._no_lq, dtype=torch.uint8),
            "scale": torch.tensor(0, dtype=torch.float32),
            "lq_path": "",
            "has_lq": torch.tensor(False),
        }


class MixedPairDataset(MixedPairs):
    """:class:`MixedPairs` as BasicSR builds it, from a dataset section of an option file, for the train phase.

    .. code-block:: yaml

        train:
          type: MixedPairDataset
          gt_size: 192            # once, for both
          lr_size: 48             # not for real: {type: ViewPairDataset, ...}, where LR has the size of HR
          real_share: 0.3         # probability of a real pair
          real: {type: AnyScalePairDataset, dataroot_gt: datasets/RealSR_v2_ordered, layout: realsr}
          hr: {type: HRCropDataset, dataroot_gt: datasets/DF2K}

    Raises:
        ValueError: an unknown key, or what the two data sets refuse.
    """

    def __init__(self, opt: dict[str, Any]) -> None:
        self.opt = opt
        keys.check_keys(opt, _KIND, _KEYS, _REFUSED_KEYS)
        if not keys.is_training(opt):
            raise ValueError(f"expected {_KIND} in the train phase only, got {opt['phase']}; name one of its parts")
        keys.required(opt, "real_share", _KIND)
        size = {"gt_size": keys.whole_number(opt, "gt_size", _KIND)}
        lr_size = opt.get("lr_size")
        if _kind_of(opt, "real") is AnyScalePairDataset:
            lr_size = keys.whole_number(opt, "lr_size", _KIND)
        super().__init__(
            _build(opt, "real", {**size, "lr_size": lr_size}),
            _build(opt, "hr", size),
            real_share=keys.number(opt, "real_share", 0),
        )


def _build(opt: Mapping[str, Any], key: str, sizes: Mapping[str, int | None]) -> Any:
    kind, section = _kind_of(opt, key), opt[key]
    for inner in sorted(_NOT_IN_PARTS.intersection(section)):
        raise ValueError(f"expected no {inner} in {key} of {_KIND}, got {section[inner]!r}; move it one level up")
    return kind({**section, **sizes, "phase": "train"})


def _kind_of(opt: Mapping[str, Any], key: str) -> Callable[[dict[str, Any]], Any]:
    """The class of a part."""
    section, names = keys.required(opt, key, _KIND), [kind.__name__ for kind in _PARTS[key]]
    if not isinstance(section, Mapping):
        raise ValueError(f"expected {key} of {_KIND} as a section {{type: {names[0]}, ...}}, got {section!r}")
    name = section.get("type")
    if name not in names:
        hint = nearest_name(name, names)
        raise ValueError(f"expected {key} of {_KIND} with type: {' or '.join(names)}, got {name!r}{hint}")
    return _PARTS[key][names.index(name)]
