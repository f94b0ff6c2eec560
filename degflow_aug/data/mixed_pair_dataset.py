"""Real pairs among HR images as BasicSR builds them, from a section with a section for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from degflow_aug.data import dataset_keys as keys
from degflow_aug.data.any_scale_pair_dataset import AnyScalePairDataset
from degflow_aug.data.hr_crop_dataset import HRCropDataset
from degflow_aug.data.mixed_pairs import MixedPairs
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
_NOT_IN_PARTS = {*LOADER, *_KEYS} - {"type", "name", "phase", "dataroot_gt", "dataroot_lq"}
_Part = TypeVar("_Part", AnyScalePairDataset, HRCropDataset)


class MixedPairDataset(MixedPairs):
    """:class:`MixedPairs` as BasicSR builds it, from a dataset section of an option file, for the train phase.

    .. code-block:: yaml

        train:
          type: MixedPairDataset
          gt_size: 192            # once, for both
          lr_size: 48
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
        sizes = {key: keys.whole_number(opt, key, _KIND) for key in ("gt_size", "lr_size")}
        super().__init__(
            _build(AnyScalePairDataset, opt, "real", sizes),
            _build(HRCropDataset, opt, "hr", {"gt_size": sizes["gt_size"]}),
            real_share=keys.number(opt, "real_share", 0),
        )


def _build(kind: type[_Part], opt: Mapping[str, Any], key: str, sizes: Mapping[str, int]) -> _Part:
    section = keys.required(opt, key, _KIND)
    if not isinstance(section, Mapping):
        raise ValueError(f"expected {key} of {_KIND} as a section {{type: {kind.__name__}, ...}}, got {section!r}")
    name = section.get("type")
    if name != kind.__name__:
        hint = nearest_name(name, [kind.__name__])
        raise ValueError(f"expected {key} of {_KIND} with type: {kind.__name__}, got {name!r}{hint}")
    for inner in sorted(_NOT_IN_PARTS.intersection(section)):
        raise ValueError(f"expected no {inner} in {key} of {_KIND}, got {section[inner]!r}; move it one level up")
    return kind({**section, **sizes, "phase": "train"})
