"""Whether a degradation can do what a model will ask of it, found out before training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from degflow_aug.degradations.build import build_degradation


def check_covers(section: Mapping[str, Any] | None, low: float, high: float) -> None:
    """Build the degradation of an option file, if it has one, and compare its range with the scales of training.

    Raises:
        ValueError: as :func:`build_degradation`, or the range does not hold all of [low, high].
    """
    if not section:
        return
    first, last = build_degradation(section).scale_range
    if low < first or high > last:
        wanted = f"{low:g}" if low == high else f"{low:g} to {high:g}"
        raise ValueError(
            f"expected a degradation that covers scale {wanted}, got {section.get('type')} for {first:g} to {last:g}; "
            "narrow the scales of training or take another degradation"
        )


def check_has_lr(opt: Mapping[str, Any]) -> None:
    """Look whether a training set of HR images comes with a degradation.

    Raises:
        ValueError: it does not.
    """
    kind = opt["datasets"]["train"].get("type")
    if kind in ("HRCropDataset", "MixedPairDataset", "NoiseImageDataset") and not opt.get("degradation"):
        raise ValueError(
            f"expected a degradation: section with {kind} in datasets.train, which has HR images without LR, got none; "
            "add one, such as degradation: {type: Bicubic}"
        )
