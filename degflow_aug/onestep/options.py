"""The ``degflow:`` section of one-step models as dataclasses, read strictly like those of the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from degflow_aug.models.checks.effects import Idle
from degflow_aug.onestep.networks.noise_levels import STEPS
from degflow_aug.onestep.restoration.colour_fix import COLOUR_FIXES
from degflow_aug.options.super_resolution import SROptions
from degflow_aug.options.values import Amount, Between, Count, CountFrom0


@dataclass(frozen=True)
class OneStepOptions(SROptions):
    """What FlowSR, OMGSR and FluxSR share.

    Attributes:
        colour_fix: of whole images, in validation and later: adain, wavelet or none.
        offload: keep what the way back needs in the memory of the CPU.
    """

    colour_fix: str = "adain"
    offload: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.colour_fix not in COLOUR_FIXES:
            raise ValueError(f"expected degflow.colour_fix out of {', '.join(COLOUR_FIXES)}, got {self.colour_fix!r}")
        if self.compile:
            raise ValueError("expected no degflow.compile for one-step models, whose step calls parts of the network")


@dataclass(frozen=True)
class OMGSROptions(OneStepOptions):
    """OMGSR-S and OMGSR-F.

    Attributes:
        mid_timestep: t index, 1 to 999, at which LR latents are taken for the generator's state; auto matches
            signal-to-noise ratios on pairs of the training set, made before the first step.
        match_pairs: how many pairs.
        refinement_weight: of latent distribution refinement.
    """

    mid_timestep: int | str = "auto"
    match_pairs: Annotated[int, Between(1, 4096)] = 16
    refinement_weight: Amount = 5.0

    def __post_init__(self) -> None:
        super().__post_init__()
        step = self.mid_timestep
        if step != "auto" and (isinstance(step, str) or not 0 < step < STEPS):
            raise ValueError(f"expected degflow.mid_timestep from 1 to {STEPS - 1}, or auto, got {step!r}")


@dataclass(frozen=True)
class FluxSROptions(OneStepOptions):
    """FluxSR.

    Attributes:
        lr_time: T_L between 0 and 1, the time of LR latents; auto matches it as OMGSR does its own.
        match_pairs: how many pairs.
        distillation_weight: of flow trajectory distillation; 0 leaves it out.
        diversification_weight: of attention diversification; 0 leaves it out.
    """

    lr_time: float | str = "auto"
    match_pairs: Annotated[int, Between(1, 4096)] = 16
    distillation_weight: Amount = 1.0
    diversification_weight: Amount = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.lr_time != "auto" and (isinstance(self.lr_time, str) or not 0 < self.lr_time < 1):
            raise ValueError(f"expected degflow.lr_time between 0 and 1, or auto, got {self.lr_time!r}")


@dataclass(frozen=True)
class FlowSROptions(OneStepOptions):
    """FlowSR.

    Attributes:
        stage: 1 for the rectified flow from HR to LR, 2 for consistency with fast and slow steps.
        teacher: of stage 2: the checkpoint of stage 1, or the name of its run below ``experiments/``.
        target_decay: of the EMA that gives stage 2 its targets.
        hr_weight: of the distance to HR after a step of the teacher.
        fast_steps: steps of the fast grid.
        slow_steps: steps of the slow grid.
        adversarial_weight: of the discriminator on latents in stage 2; 0 for none.
        adversarial_start: iteration from which on it speaks.
        adversarial_lr: learning rate of its heads.
        caption_model: a CLIP of transformers, folder or hub id, for image quality in stage 2; empty for none.
        caption_weight: of that.
    """

    colour_fix: str = "wavelet"
    stage: int = 1
    teacher: str = ""
    target_decay: Annotated[float, Between(0, 1, open="high")] = 0.95
    hr_weight: Amount = 1.0
    fast_steps: Count = 4
    slow_steps: Count = 1000
    adversarial_weight: Amount = 0.1
    adversarial_start: CountFrom0 = 1000
    adversarial_lr: Annotated[float, Between(0, 1e9, open="low")] = 5e-5
    caption_model: str = ""
    caption_weight: Amount = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.stage not in (1, 2):
            raise ValueError(f"expected degflow.stage 1 or 2, got {self.stage}")
        if (self.stage == 2) != bool(self.teacher):
            raise ValueError(
                f"expected degflow.teacher in stage 2 and only there, got {self.teacher!r} in stage {self.stage}; name "
                "the checkpoint or the run of stage 1"
            )
        if self.slow_steps % self.fast_steps:
            raise ValueError(
                f"expected degflow.slow_steps as a multiple of fast_steps, got {self.slow_steps} and {self.fast_steps}"
            )


_SECOND = (
    "target_decay", "hr_weight", "fast_steps", "slow_steps", "adversarial_weight", "adversarial_start",
    "adversarial_lr", "caption_model", "caption_weight",
)  # fmt: skip
IDLE: tuple[Idle, ...] = (
    (OMGSROptions, "match_pairs", lambda of: of.mid_timestep != "auto", "mid_timestep is named, and not matched"),
    (FluxSROptions, "match_pairs", lambda of: of.lr_time != "auto", "lr_time is named, and not matched"),
    *((FlowSROptions, key, lambda of: of.stage == 1, "it is of stage 2") for key in _SECOND),
    *(
        (FlowSROptions, key, lambda of: of.stage == 2 and not of.adversarial_weight, "adversarial_weight is 0")
        for key in ("adversarial_start", "adversarial_lr")
    ),
    (FlowSROptions, "caption_weight", lambda of: of.stage == 2 and not of.caption_model, "caption_model is empty"),
)
"""Keys that others leave without effect."""
