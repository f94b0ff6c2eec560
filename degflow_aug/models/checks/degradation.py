"""Whether a degradation can do what a model will ask of it, found out before training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


def check_views(opt: Mapping[str, Any], scales: Sequence[float]) -> None:
    """Look whether LR on the HR grid can be made at ``degflow.scales``, and goes with the data sets.

    Raises:
        ValueError: the network enlarges; the data sets bring LR on its own grid; or views are to have a generator's
            noise, which is of LR.
    """
    kinds = {phase: section.get("type") for phase, section in opt["datasets"].items()}
    if scales and opt.get("scale") != 1:
        raise ValueError(
            f"expected scale: 1 with degflow.scales, at which LR has HR's size, got scale {opt.get('scale')}; take "
            "scales out, or a network such as type: Unshuffled"
        )
    check_drawn(opt, scales)
    if scales:
        check_no_noise(opt, "degflow.scales")
    for phase, kind in kinds.items():
        if (scales or "ViewPairDataset" in kinds.values()) and kind == "AnyScalePairDataset":
            raise ValueError(
                f"expected LR on the HR grid in all data sets, got AnyScalePairDataset in datasets.{phase}, which "
                "brings it to the LR grid; take ViewPairDataset"
            )


def check_drawn(opt: Mapping[str, Any], scales: Sequence[float]) -> None:
    """Raise a ValueError where there is nothing that ``degflow.scales`` could be drawn for."""
    if scales and not opt.get("degradation"):
        raise ValueError(
            "expected a degradation: section with degflow.scales, which are drawn for its LR, got none; take scales out"
        )


def check_no_noise(opt: Mapping[str, Any], key: str) -> None:
    """Raise a ValueError where a generator is to add noise to LR beside an option by which views are taken."""
    if _has_noise(opt.get("degradation")):
        raise ValueError(f"expected no noise in the section degradation with {key}, whose views have none; take it out")


def _has_noise(section: Any) -> bool:
    if not isinstance(section, Mapping):
        return False
    parts = section.get("parts")
    inside = any(_has_noise(part) for part in parts) if isinstance(parts, list) else False
    return inside or (section.get("type") == "DegFlow" and bool(section.get("noise")))


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
    if kind in ("AnyScalePairDataset", "ViewPairDataset", "PairedImageDataset", "RealESRGANPairedDataset") and opt.get(
        "degradation"
    ):
        raise ValueError(
            f"expected no section degradation with {kind} in datasets.train, which brings LR of its own, got one; take "
            "it out, or train on HRCropDataset or MixedPairDataset"
        )
