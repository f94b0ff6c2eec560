"""Keys of the section ``degflow`` that others of its keys, or the data set, leave without effect."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from degflow_aug.data.any_scale_pair_dataset import AnyScalePairs
from degflow_aug.data.mixed_pair_dataset import MixedPairs
from degflow_aug.files.notice import notice
from degflow_aug.options.stages import DistillOptions, LFMOptions, PathOptions, RefineOptions
from degflow_aug.options.super_resolution import ArbitraryScaleOptions

_NO_IMAGE = "image_weight and lpips_weight are 0, for which it draws"
Idle = tuple[type | tuple[type, ...], str, Callable[[Any], bool], str]
_IDLE: tuple[Idle, ...] = (
    ((PathOptions, RefineOptions), "lpips_vgg", lambda of: not of.lpips_weight, "lpips_weight is 0"),
    (LFMOptions, "pseudo_share", lambda of: not of.rollout_weight, "rollout_weight is 0, whose views it draws"),
    (LFMOptions, "rollout_steps", lambda of: not of.rollout_weight, "rollout_weight is 0"),
    (LFMOptions, "tolerance", lambda of: of.solver != "rk45", "it is that of solver: rk45"),
    (LFMOptions, "steps", lambda of: of.solver == "rk45", "solver: rk45 takes as many as its tolerance asks for"),
    (RefineOptions, "zoom_room", lambda of: not of.zoom_share, "zoom_share is 0"),
    (RefineOptions, "pseudo_share", lambda of: of.zoom_share == 1, "zoom_share is 1, and such pairs are real"),
    (DistillOptions, "method", lambda of: not of.latent_weight, "latent_weight is 0, whose target it is"),
    (DistillOptions, "pseudo_share", lambda of: not (of.image_weight or of.lpips_weight), _NO_IMAGE),
    (ArbitraryScaleOptions, "preview_scales", lambda of: not of.preview_freq, "preview_freq is 0"),
    (ArbitraryScaleOptions, "queries", lambda of: bool(of.window), "window is set, whose pixels are all asked for"),
)


def say_idle_keys(options: object, section: Mapping[str, Any], known: tuple[Idle, ...] = _IDLE) -> None:
    """Say which keys that ``section`` has, other than 0 or empty, have no effect beside the rest of ``options``.

    Args:
        options: the section as it was read.
        known: of which options which key, when it has none, and why.
    """
    for kind, key, is_idle, why in known:
        if isinstance(options, kind) and section.get(key) and is_idle(options):
            notice(f"degflow.{key} has no effect: {why}")


def check_scales_of_pairs(options: ArbitraryScaleOptions, opt: Mapping[str, Any], dataset: Any) -> None:
    """Look at the scales of pairs in a training set, of which none is drawn.

    Args:
        options: the section ``degflow`` as it was read.
        opt: the options.
        dataset: ``datasets.train`` where it is of this package.

    Raises:
        ValueError: ``degflow.scale_range`` is named, and a pair is of a scale outside.
    """
    train, section = opt["datasets"]["train"], opt.get("degflow") or {}
    share = 1.0
    if isinstance(dataset, MixedPairs):
        share, dataset = dataset.real_share, dataset.real
        _say_unused_part(share)
        if share == 0:
            return
    if isinstance(dataset, AnyScalePairs):
        scales = sorted({pair.scale for pair in dataset.pairs})
    elif train.get("type") in ("PairedImageDataset", "RealESRGANPairedDataset"):
        scales = [opt.get("scale", 1)]
    else:
        return
    shown = ", ".join(f"{scale:g}" for scale in scales)
    if options.preview_scales and share == 1:
        notice(f"degflow.preview_scales has no effect: previews show the pairs of datasets.train, at scale {shown}")
    if "scale_range" not in section:
        return
    low, high = options.scale_range
    for scale in scales:
        if not low <= scale <= high and not any(math.isclose(scale, end, rel_tol=1e-4) for end in (low, high)):
            raise ValueError(
                f"expected pairs of scales inside degflow.scale_range, {low:g} to {high:g}, got some of x{scale:g} in "
                "datasets.train, which are trained on as they are; widen scale_range, or leave them out"
            )
    if share == 1:
        notice(f"degflow.scale_range draws no scales: those of the pairs of datasets.train are {shown}")


def _say_unused_part(real_share: float) -> None:
    if real_share == 1:
        notice("datasets.train.real_share is 1: no image of hr is drawn, and degradation makes no LR to train on")
    elif real_share == 0:
        notice("datasets.train.real_share is 0: no pair of real is drawn")
