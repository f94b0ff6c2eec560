"""The stages of DegFlow as BasicSR models: losses that are added up, and validation scale by scale."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from basicsr.utils.dist_util import master_only
from torch import Tensor, nn

from degflow_aug.archs.generator.ncsnpp_arch import NCSNpp
from degflow_aug.archs.generator.rae_arch import ResidualAutoencoder
from degflow_aug.bundles.bundle import Bundle, GeneratorSpec, State, save_bundle
from degflow_aug.bundles.spec import LATEST
from degflow_aug.degradations.fitted.camera_kernels import FittedCamera, states_of
from degflow_aug.degradations.generator.degflow import DegFlow
from degflow_aug.degradations.generator.flow_path import sampler_settings
from degflow_aug.flow.solver import RK45_TOLERANCE
from degflow_aug.models.training.trained_model import TrainedModel
from degflow_aug.models.validation.scale_validation import ScaleValidation
from degflow_aug.options.model_keys import More
from degflow_aug.options.stages import StageOptions


class StageModel(ScaleValidation, TrainedModel):
    """Subclasses write ``compute_losses`` and ``generate_view``."""

    options: StageOptions
    option_keys: ClassVar[More] = {"options": ("find_unused_parameters",)}

    def model_to_device(self, net: nn.Module) -> nn.Module:
        """As every model, with channels beside each other in memory: the norms over channels read them so."""
        return super().model_to_device(net.to(memory_format=torch.channels_last))

    def compute_losses(self) -> dict[str, Tensor]:
        """Named losses of the fed batch, to be added up; calls ``self.network``: ``net_g``, or compiled from it."""
        raise NotImplementedError

    def take_step(self, current_iter: int) -> dict[str, Tensor]:
        """One step on the sum of the losses."""
        self.optimizer_g.zero_grad(set_to_none=True)
        with self.autocast():
            losses = self.compute_losses()
        total = torch.stack(list(losses.values())).sum()
        self.check_loss(total, current_iter)
        total.backward()
        self.step_generator()
        return OrderedDict(total=total, **losses)


class GeneratorStage(StageModel):
    """A stage whose network belongs to a generator: it validates as one, and saves one beside its checkpoints.

    Subclasses write ``compute_losses`` and ``trained_parts``, and set ``solver`` and ``steps``.

    Attributes:
        solver, steps, tolerance: how validation and the bundle carry latents along the path.
        kernel: the kernel behind pseudo-views, where there is one.
    """

    options: StageOptions
    solver: str
    steps: int
    tolerance: float = RK45_TOLERANCE
    kernel: FittedCamera | None = None

    def trained_parts(self) -> tuple[ResidualAutoencoder, NCSNpp]:
        """RAE and velocity network as trained so far."""
        raise NotImplementedError

    def generator(self) -> DegFlow:
        """The degradation as trained so far."""
        rae, velocity = self.trained_parts()
        return DegFlow(
            rae, velocity, knots=self.options.knots, s_max=self.options.last_scale,
            **sampler_settings(self, None, None, None), camera=None if self.options.cameras else self.options.camera,
            cameras=self.options.cameras, kernel=self.kernel if rae.anchored else None,
        )  # fmt: skip

    def generate_view(self, hr: Tensor, view: Tensor, scale: float, camera: str = "") -> Tensor:
        """The generated view (1, 3, H, W) in [0, 1] of a camera by name, where the options tell several apart; the
        real one is not looked at."""
        generated = self.generator().render(hr, scale, camera=camera if self.options.cameras else None)
        self.net_g.train()
        return generated

    def save_companions(self) -> None:
        """Write the bundle, so that a run can be used as soon as it has saved."""
        self.write_bundle(Path(self.opt["path"]["models"]) / LATEST)

    def facts(self) -> dict[str, Any]:
        """What the bundle says of its training."""
        return {"run": self.opt["name"], "iterations": self.iteration}

    def kernel_states(self) -> Sequence[State]:
        """States of the kernels that the bundle holds, where some were fitted."""
        return states_of(self.kernel)

    def noise_states(self) -> Sequence[State]:
        """States of the noise that the bundle holds; none before ``degflow noise`` has learned it."""
        return ()

    @master_only
    def write_bundle(self, path: Path) -> None:
        """Write RAE and velocity network as a bundle."""
        rae, velocity = self.trained_parts()
        spec = GeneratorSpec(
            rae=rae.spec, velocity=velocity.spec, knots=self.options.knots, s_max=self.options.last_scale,
            camera=self.options.camera, solver=self.solver, steps=self.steps, training=self.facts(),
            cameras=self.options.cameras, tolerance=self.tolerance,
        )  # fmt: skip
        save_bundle(path, Bundle(spec, rae, velocity, self.kernel_states(), self.noise_states()))
