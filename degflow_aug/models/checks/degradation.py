"""Whether a degradation can do what a model will ask of it, found out before training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from degflow_aug.degradations.build import scale_range_of


def check_covers(section: Mapping[str, Any] | None, low: float, high: float) -> None:
    """Compare the range of the degradation of an option file, if it has one, with the scales of training.

    Raises:
        ValueError: as :func:`scale_range_of`, or the range does not hold all of [low, high].
    """
    if not section:
        return
    first, last = scale_range_of(section)
    if low < first or high > last:
        wanted = f"{low:g}" if low == high else f"{low:g} to {high:g}"
        raise ValueError(
            f"expected a degradation that covers scale {wanted}, got {section.get('type')} for {first:g} to {last:g}; "
            "narrow the scales of training or take another degradation"
        )


def check_has_lr(opt: Mapping[str, Any]) -> None:
    """Look whether a training set of HR images comes with a degradation, and one of pairs without.

    Raises:
        ValueError: it does not, or its HR images are normalised, for which no degradation is made.
    """
    section = opt["datasets"]["train"]
    kind = section.get("type")
    if kind == "FFHQDataset" and (section.get("mean"), section.get("std")) != ([0, 0, 0], [1, 1, 1]):
        raise ValueError(
            "expected mean [0, 0, 0] and std [1, 1, 1] of FFHQDataset in datasets.train, as degradations take images "
            f"in [0, 1], got {section.get('mean')} and {section.get('std')}; set them so, or take HRCropDataset"
        )
    if kind in ("HRCropDataset", "MixedPairDataset", "NoiseImageDataset") and not opt.get("degradation"):
        raise ValueError(
            f"expected a degradation: section with {kind} in datasets.train, which has HR images without LR, got none; "
            "add one, such as degradation: {type: Bicubic}"
        )
    if kind in ("AnyScalePairDataset", "PairedImageDataset", "RealESRGANPairedDataset") and opt.get("degradation"):
        raise ValueError(
            f"expected no section degradation with {kind} in datasets.train, which brings LR of its own, got one; take "
            "it out, or train on HRCropDataset or MixedPairDataset"
        )
