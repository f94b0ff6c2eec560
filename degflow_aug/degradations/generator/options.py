"""The ``degradation:`` section of ``type: DegFlow``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from degflow_aug.bundles.bundle import load_bundle, read_spec
from degflow_aug.degradations.base import Degradation
from degflow_aug.degradations.camera_choice import check_chosen
from degflow_aug.degradations.generator.degflow import DegFlow
from degflow_aug.degradations.generator.student_choice import NEVER, who_makes_lr
from degflow_aug.degradations.options import ScaleRange, Strength
from degflow_aug.options.values import Count, Steps, Tolerance


@dataclass(frozen=True)
class DegFlowOptions:
    """A trained generator.

    Attributes:
        bundle: path of its bundle, or the name of one that ships with the package.
        solver: euler, midpoint, heun or rk4, the slow rk45 of the official code, or jump for a one-step student; none
            means the bundle's own.
        steps: steps of that solver; none means the bundle's own; rk45 has none.
        tolerance: of rk45; none means the bundle's own, 1e-5 as a rule.
        tile: larger images pass the autoencoder in tiles of that side.
        amp: none, or bf16 for autocast.
        compile: pass the networks through ``torch.compile``; a name is that of its mode.
        extrapolate: allow scales beyond the last knot, where nothing was trained.
        noise: strength of what HR does not determine, as learned by ``degflow fit``; 1 is that of the real pairs.
        camera: for a bundle that knows several: one by name, weights by name for one between, or any for one drawn per
            sample.
        student: auto lets the student in the bundle make LR in place of the generator, at a fraction of its cost, where
            it holds: the Y-PSNR of its views of scenes held out is at most 0.1 dB below. A line says which one it is,
            and why. Never takes the generator.
    """

    bundle: str
    scale_range: ScaleRange | None = None
    solver: str | None = None
    steps: Steps | None = None
    tolerance: Tolerance | None = None
    tile: Count = 1024
    amp: str = "none"
    compile: bool | str = False
    extrapolate: bool = False
    noise: Strength = 0.0
    camera: str | Mapping | None = None
    student: str = NEVER

    def made_for(self, where: str) -> ScaleRange:
        """The scales of the generator, as the header of its bundle says.

        Raises:
            ValueError: no such bundle, or no camera for one that knows several.
        """
        spec = read_spec(self.bundle)
        check_chosen(self.camera, spec.cameras, f"{where}.camera")
        return 1.0, math.inf if self.extrapolate else spec.knots[-1]

    def build(self, where: str) -> Degradation:
        """The generator or its student, weights frozen.

        Raises:
            ValueError: no camera for a bundle that knows several: nobody could name one later.
        """
        bundle = load_bundle(self.bundle)
        check_chosen(self.camera, bundle.spec.cameras, f"{where}.camera")
        settings = {key: value for key, value in vars(self).items() if key not in ("bundle", "scale_range", "student")}
        generator = DegFlow.from_bundle(bundle, **settings)
        return who_makes_lr(generator, bundle, self.bundle, self.student, **settings)
