"""The ``degflow:`` section of an option file as dataclasses, read strictly.

degflow:
  knots: [1, 2, 4]          # scales with real pairs, HR first
  s_max: 4                  # the scale at t = 1; default: the last knot
  camera: iPhone X
  ...                       # RAEOptions, LFMOptions, RefineOptions or DistillOptions, by the stage
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Annotated

from degflow_aug.options.sections import check_fields
from degflow_aug.options.values import Amount, Between, Pixels, Scale, Share, Steps, Tolerance

DISTILLATIONS = ("average", "consistency")
PIPELINES = ("auto", "always", "never")


@dataclass(frozen=True)
class StageOptions:
    """What all stages share.

    Attributes:
        knots: scales with real pairs, rising from 1 (HR).
        s_max: the scale at t = 1; 0 stands for the last knot.
        camera: name of the device, kept in the bundle.
        cameras: names of the cameras to tell apart, as the data set has them, in the order of their embeddings; empty:
            one camera. Pseudo-views are made with the kernel of a sample's own.
        amp: none, or bf16 for autocast.
        grad_clip: largest gradient norm; 0 for no clipping.
        compile: pass the network through ``torch.compile``.
        kernel: file of the fitted kernel behind pseudo-views; empty: fitted to the training set at the start.
        pipeline: where one is fitted, whether it is a pipeline (blur of light, tone curve, sharpening): always, never
            (a linear kernel), or auto, which takes the pipeline if it leaves less than half of the kernel's error.
    """

    knots: tuple[Scale, ...]
    s_max: Annotated[float, Between(0, 1000)] = 0.0
    camera: str = ""
    amp: str = "none"
    grad_clip: Amount = 0.0
    compile: bool = False
    kernel: str = ""
    pipeline: str = "auto"
    cameras: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_fields(self)
        knots = self.knots
        rising = all(low < high for low, high in pairwise(knots))
        if len(knots) < 2 or knots[0] != 1 or not rising:
            raise ValueError(f"expected degflow.knots that rise from 1 (HR), got {list(knots)}; for instance [1, 2, 4]")
        if self.s_max and self.s_max < knots[-1]:
            raise ValueError(f"expected degflow.s_max of at least the last knot {knots[-1]:g}, got {self.s_max:g}")
        if self.amp not in ("none", "bf16"):
            raise ValueError(f"expected degflow.amp to be none or bf16, got {self.amp!r}")
        if self.pipeline not in PIPELINES:
            raise ValueError(f"expected degflow.pipeline out of {', '.join(PIPELINES)}, got {self.pipeline!r}")
        if len(self.cameras) == 1 or len(set(self.cameras)) < len(self.cameras) or "" in self.cameras:
            raise ValueError(
                f"expected degflow.cameras as two or more different names, or empty, got {list(self.cameras)}"
            )

    @property
    def last_scale(self) -> float:
        """The scale at t = 1."""
        return self.s_max or self.knots[-1]


@dataclass(frozen=True)
class RAEOptions(StageOptions):
    """Stage 1.

    Attributes:
        hr_share: share of samples whose target is the HR image itself; the paper draws every knot alike, 1 / K.
        pseudo_share: share of samples whose target is a pseudo-view at a scale between the knots.
        crop_margin: pixels cut off each side of a crop after its pseudo-views are made, so that no mirrored edge shows.
        latent_noise: largest standard deviation of the noise on latents; each sample draws its own below it.
        kl_weight: weight of the latents' mean square, which keeps the noise from being outgrown.
        standardise: track the latents' mean and spread, so that the flow runs on standardised latents.
    """

    hr_share: Share = 0.1
    pseudo_share: Share = 0.0
    crop_margin: Pixels = 0
    latent_noise: Amount = 0.0
    kl_weight: Amount = 0.0
    standardise: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.hr_share + self.pseudo_share > 1:
            raise ValueError(f"expected hr_share + pseudo_share at most 1, got {self.hr_share} + {self.pseudo_share}")


@dataclass(frozen=True)
class PathOptions(StageOptions):
    """What the stages on latents share.

    Attributes:
        pseudo_spacing: largest gap between scales of the path, filled with pseudo-views; 0 for real knots only.
        pseudo_share: share of samples whose decoded end is compared with a pseudo-view at a scale drawn anywhere
            between the knots, and not with a view of the path; without, scales off the path are learned by no image.
        lpips_weight: weight of LPIPS between a decoded image and the real view.
        lpips_vgg: VGG16 weights of torchvision for it; empty: torchvision's own cache.
    """

    pseudo_spacing: Amount = 0.0
    pseudo_share: Share = 0.0
    lpips_weight: Amount = 0.0
    lpips_vgg: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pseudo_spacing and self.pseudo_spacing < 0.05:
            raise ValueError(f"expected degflow.pseudo_spacing of 0 or at least 0.05, got {self.pseudo_spacing:g}")

    def path_scales(self) -> tuple[float, ...]:
        """List the scales of the path: the knots, and between them equal parts no longer than ``pseudo_spacing``."""
        if not self.pseudo_spacing:
            return self.knots
        scales = [self.knots[0]]
        for low, high in pairwise(self.knots):
            parts = math.ceil((high - low) / self.pseudo_spacing - 1e-6)
            scales += [low + (high - low) * part / parts for part in range(1, parts)] + [high]
        return tuple(scales)


@dataclass(frozen=True)
class LFMOptions(PathOptions):
    """Stage 2; LPIPS is that of the decoded jump to the next knot.

    Attributes:
        rae: checkpoint of stage 1, or the name of its run below ``experiments/``.
        trajectory: spline (DegFlow eq. 4) or linear.
        velocity_weight: weight of the velocity loss.
        rollout_weight: weight of the L1 distance between the real view at a scale of the path and the one decoded after
            integrating from the HR image to there; trains what the solver will do, and stops at what it cannot know.
        rollout_steps: Euler steps of that integration.
        solver: how validation and the bundle integrate: euler, midpoint, heun, rk4, or the official code's slow rk45.
        steps: steps of that solver from the HR image to any scale; rk45 has none.
        tolerance: of rk45.
        times: of scales below the last, ``{2: 0.3334}``, where training and validation have them at other times than
            (s - 1) / (s_max - 1); in between they are interpolated. The bundle has none.
    """

    rae: str = ""
    trajectory: str = "spline"
    velocity_weight: Amount = 1.0
    rollout_weight: Amount = 0.0
    rollout_steps: Steps = 2
    solver: str = "heun"
    steps: Steps = 2
    tolerance: Tolerance = 1e-5
    times: Mapping[float, Share] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.trajectory not in ("spline", "linear"):
            raise ValueError(f"expected degflow.trajectory to be spline or linear, got {self.trajectory!r}")
        if self.solver not in ("euler", "midpoint", "heun", "rk4", "rk45"):
            raise ValueError(
                f"expected degflow.solver out of euler, midpoint, heun, rk4, rk45, got {self.solver!r}"
                + ("; LFMDistillModel trains one-step students" if self.solver == "jump" else "")
            )
        if not (self.velocity_weight or self.rollout_weight or self.lpips_weight):
            raise ValueError("expected degflow.velocity_weight, rollout_weight or lpips_weight above 0, got none")
        between = [(1.0, 0.0), *self.times.items(), (self.last_scale, 1.0)]
        numbers = all(type(scale) in (int, float) for scale, _ in between)
        if not numbers or not all(low[0] < high[0] and low[1] < high[1] for low, high in pairwise(between)):
            raise ValueError(
                f"expected degflow.times that rise with their scales, from 0 at x1 to 1 at x{self.last_scale:g}, such "
                f"as {{2: 0.3334}}, got {self.times}"
            )


@dataclass(frozen=True)
class RefineOptions(StageOptions):
    """The last stage of our recipe: a whole generator, trained on the views that a few Euler steps lead to.

    Attributes:
        generator: bundle of the generator so far, the name of its run below ``experiments/``, or a checkpoint of it.
        steps: Euler steps of the rendering, here and in the bundle.
        pseudo_share: share of samples that are compared with a pseudo-view at a scale drawn anywhere between the
            knots, and not with a real view.
        zoom_share: share of batches whose pairs are made smaller by a factor drawn for the batch, up to the first knot
            above 1: real pairs at lower scales, in place of pseudo-views.
        zoom_room: pixels of ``gt_size`` that only such batches use, which become smaller.
        crop_margin: pixels cut off each side of a crop after its pseudo-views are made, so that no mirrored edge shows.
        train_rae: train the autoencoder too, and not the velocity network alone.
        lpips_weight: weight of LPIPS beside the L1 distance.
        lpips_vgg: VGG16 weights of torchvision for it; empty: torchvision's own cache.
    """

    generator: str = ""
    steps: Steps = 2
    pseudo_share: Share = 0.5
    zoom_share: Share = 0.0
    zoom_room: Pixels = 0
    crop_margin: Pixels = 0
    train_rae: bool = True
    lpips_weight: Amount = 0.0
    lpips_vgg: str = ""


@dataclass(frozen=True)
class DistillOptions(PathOptions):
    """One evaluation instead of a solver: a student of a trained generator; LPIPS is that of its decoded end.

    Attributes:
        teacher: bundle of the generator, the name of its run below ``experiments/``, or a checkpoint of that run.
        method: average (the end of the teacher's own integration is the target) or consistency (FlowSR's, turned
            round: the student agrees with its EMA after an Euler step of the teacher).
        latent_weight: weight of the mean square between the student's end and its target.
        image_weight: weight of the L1 distance between the decoded end and the real view at a scale of the path.
        steps: jumps of validation and the bundle, and of the losses at the end of a path.
    """

    teacher: str = ""
    method: str = "average"
    latent_weight: Amount = 1.0
    image_weight: Amount = 20.0
    steps: Steps = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.method not in DISTILLATIONS:
            raise ValueError(f"expected degflow.method out of {', '.join(DISTILLATIONS)}, got {self.method!r}")
        if not (self.latent_weight or self.image_weight or self.lpips_weight):
            raise ValueError("expected degflow.latent_weight, image_weight or lpips_weight above 0, got none")
