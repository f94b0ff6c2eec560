"""Sizes and recipes of ``degflow fit``: a preset fixes the networks, a recipe how they are trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from degflow_aug.metrics.lpips_loss import read_vgg
from degflow_aug.options.stages import DISTILLATIONS


@dataclass(frozen=True)
class StagePreset:
    """How one stage is trained.

    Attributes:
        share: share of the budget.
        crop: side of a training crop in pixels.
        batch: samples an iteration.
        lr: learning rate at its highest.
        betas, weight_decay: of Adam (weight decay 0) or AdamW.
        warmup: share of the iterations over which the rate rises.
        floor: the rate that the cosine ends at.
        recursive: how the cosine follows the warm-up, see :class:`~degflow_aug.fit.schedule.Schedule`.
        ema: decay of the EMA, 0 for none.
        loss: BasicSR loss of stage 1.
        options: further keys of the ``degflow`` section.
        windows: cached windows of latents in lfm and distill; 0 encodes every batch anew.
    """

    share: float
    crop: int
    batch: int
    lr: float
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 1e-4
    warmup: float = 0.03
    floor: float = 1.5e-5
    recursive: bool = False
    ema: float = 0.0
    loss: str = "L1Loss"
    options: Mapping[str, Any] = field(default_factory=dict)
    windows: int = 0


@dataclass(frozen=True)
class Preset:
    """Networks and the stages that train them, in order; stage ``refine`` goes on with all that was trained, and
    ``distill`` teaches a one-step student what the stage before it has learned."""

    rae: Mapping[str, Any]
    velocity: Mapping[str, Any]
    conditioned: bool
    stages: Mapping[str, StagePreset]
    pipeline: str = "auto"


def _ours(crop: int, rendered: int, batch: int, lr: float, windows: int, amp: str) -> dict[str, StagePreset]:
    """Ours: an anchored decoder, noise and KL on latents, pseudo-views between knots, a conditioned velocity, and most
    of the time for a last stage that trains all of it on the views it renders."""
    shared = {"amp": amp}
    # Rendering takes the very steps that the last stage trains.
    path = {**shared, "trajectory": "linear", "pseudo_spacing": 0.5, "solver": "euler", "steps": 2}
    rae = StagePreset(
        share=0.25,
        crop=crop,
        batch=batch,
        lr=lr,
        floor=lr / 100,
        options={
            **shared,
            "grad_clip": 0.5,
            "hr_share": 0.1,
            "pseudo_share": 0.4,
            "crop_margin": 16,
            "latent_noise": 0.4,
            "kl_weight": 1e-3,
        },
    )
    lfm = StagePreset(
        share=0.1,
        crop=2 * crop,
        batch=2 * batch,
        lr=lr,
        floor=lr / 100,
        ema=0.995,
        windows=windows,
        options={**path, "grad_clip": 1.0},
    )
    refine = StagePreset(
        share=0.65,
        crop=rendered,
        batch=4,
        lr=lr,
        floor=lr / 100,
        ema=0.995,
        options={**shared, "grad_clip": 1.0, "steps": 2, "pseudo_share": 0.5, "crop_margin": 16},
    )
    return {"rae": rae, "lfm": lfm, "refine": refine}


OFFICIAL_TIMES = {2.0: 0.3333660409266936, 3.0: 0.6666339590733064}
"""sigmoid(-0.693) and sigmoid(0.693), where the official code has x2 and x3 on a path that ends at x4."""


def _paper() -> dict[str, StagePreset]:
    """DegFlow's published recipe (schedules, losses, knots); its iteration counts are 200k and 400k on four GPUs."""
    rae = StagePreset(
        share=1 / 3,
        crop=256,
        batch=8,
        lr=1e-4,
        betas=(0.5, 0.9),
        weight_decay=0,
        warmup=0.025,
        floor=1e-7,
        recursive=True,
        loss="MSELoss",
        options={"hr_share": -1.0, "standardise": False},
    )
    lfm = StagePreset(
        share=2 / 3,
        crop=256,
        batch=16,
        lr=2e-4,
        betas=(0.9, 0.999),
        weight_decay=0,
        warmup=0,
        floor=1e-7,
        options={"trajectory": "spline", "lpips_weight": 0.1, "times": OFFICIAL_TIMES},
    )
    return {"rae": rae, "lfm": lfm}


_SIZES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "tiny": ({"base_channels": 16}, {"base_channels": 32, "multipliers": [1, 2, 2], "blocks": 2}),
    # Chosen in benchmarks/results/preset_sizes.md: 1/260 of the official cost, and no convolution at full resolution.
    "small": (
        {"base_channels": 16, "unshuffle": 2, "latent_channels": 16, "decoder_blocks": 1},
        {"base_channels": 32, "multipliers": [1, 2, 2], "blocks": 2},
    ),
    "official": ({"base_channels": 128}, {"base_channels": 128, "multipliers": [1, 2, 2, 2], "blocks": 4}),
}
_OURS: dict[str, dict[str, StagePreset]] = {
    "tiny": _ours(crop=64, rendered=96, batch=6, lr=1.5e-3, windows=240, amp="none"),
    "small": _ours(crop=96, rendered=128, batch=8, lr=2e-3, windows=480, amp="none"),
    "official": _ours(crop=128, rendered=192, batch=8, lr=3e-4, windows=0, amp="bf16"),
}


def for_knots(chosen: Preset, knots: int) -> Preset:
    """The preset for pairs at that number of knots, HR counted.

    With two LR scales or more, joint finetuning takes real pairs made smaller in place of most pseudo-views: on a
    simulated phone views come 0.4 to 0.6 dB nearer to the truth between knots, and 0.2 to 0.4 at them. With one LR
    scale nothing measures the scales between, and City100's iPhone X loses 0.2 dB at its own.
    """
    refine = chosen.stages.get("refine")
    if knots < 3 or refine is None:
        return chosen
    zoom = {"pseudo_share": 0.17, "zoom_share": 0.4, "zoom_room": refine.crop // 2}
    return replace(chosen, stages={**chosen.stages, "refine": replace(refine, options={**refine.options, **zoom})})


DISTILL_SHARE = 0.25


def with_one_step(chosen: Preset, method: str) -> Preset:
    """The preset with a last stage that trains a one-step student by ``method``; the others give up a quarter of the
    budget. It keeps the crops, batches and image losses of the stage before it, and the windows and path of ``lfm``.

    Raises:
        ValueError: no such method.
    """
    if method not in DISTILLATIONS:
        raise ValueError(f"expected a method out of {', '.join(DISTILLATIONS)}, got {method!r}")
    stages = {name: replace(stage, share=(1 - DISTILL_SHARE) * stage.share) for name, stage in chosen.stages.items()}
    last = list(stages.values())[-1]
    kept = ("amp", "pseudo_spacing", "grad_clip", "lpips_weight", "lpips_vgg")
    before = {**chosen.stages["lfm"].options, **last.options}
    options = {key: before[key] for key in kept if key in before}
    if "pseudo_spacing" in options:
        # Where views can be made at any scale they teach more than the teacher's latents, which carry its errors.
        options |= {"pseudo_share": 0.5, "latent_weight": 0.1}
    windows = chosen.stages["lfm"].windows
    student = replace(
        last, share=DISTILL_SHARE, ema=last.ema or 0.995, windows=windows, options={**options, "method": method}
    )
    return replace(chosen, stages={**stages, "distill": student})


def with_lpips(chosen: Preset, vgg_path: str) -> Preset:
    """The preset with LPIPS, where its recipe has it, on these VGG16 weights (empty: torchvision's cache), or
    without LPIPS for ``none``. The weights are looked for now and not after hours of stage 1.

    Raises:
        ValueError: the recipe wants LPIPS and the weights are not there, or wants none and weights are named.
    """
    if vgg_path and not any(stage.options.get("lpips_weight") for stage in chosen.stages.values()):
        raise ValueError(
            f"expected --lpips-vgg with --recipe paper, got {vgg_path!r} with a recipe without LPIPS; leave it out"
        )
    stages = {}
    for name, stage in chosen.stages.items():
        if stage.options.get("lpips_weight"):
            if vgg_path != "none":
                read_vgg(vgg_path or None)
            change = {"lpips_weight": 0.0} if vgg_path == "none" else {"lpips_vgg": vgg_path}
            stage = replace(stage, options={**stage.options, **change})
        stages[name] = stage
    return replace(chosen, stages=stages)


def preset(name: str, recipe: str | None = None) -> Preset:
    """The preset of that name with a recipe: ``paper``, or ``ours`` (default, but for ``official``).

    Raises:
        ValueError: no such preset or recipe.
    """
    if name not in _SIZES:
        raise ValueError(f"expected a preset out of {', '.join(_SIZES)}, got {name!r}")
    recipe = recipe or ("paper" if name == "official" else "ours")
    if recipe not in ("paper", "ours"):
        raise ValueError(f"expected recipe paper or ours, got {recipe!r}")
    rae, velocity = _SIZES[name]
    if recipe == "paper":
        return Preset({**rae, "residual": False}, {**velocity, "dropout": 0.1}, False, _paper(), "never")
    return Preset(
        {**rae, "residual": True, "anchored": True}, {**velocity, "dropout": 0.0, "local": True}, True, _OURS[name]
    )
