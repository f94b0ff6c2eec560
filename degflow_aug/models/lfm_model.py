"""Stage 2 as a BasicSR model: the velocity network learns the path through the latents of HR and its views."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from degflow_aug.archs.generator.rae_arch import ResidualAutoencoder
from degflow_aug.degradations.generator.degflow import DegFlow
from degflow_aug.degradations.grid import at_least_float32
from degflow_aug.files.notice import notice
from degflow_aug.flow.objective import draw_times, jump, velocity_loss
from degflow_aug.flow.solver import integrate
from degflow_aug.flow.time_map import TimeMap
from degflow_aug.flow.trajectory import trajectory
from degflow_aug.models.stages.latent_stage import LatentStageModel
from degflow_aug.models.stages.paths import path_ends, path_points
from degflow_aug.models.training.checkpoint import find_checkpoint, read_checkpoint
from degflow_aug.options.sections import read_options
from degflow_aug.options.stages import LFMOptions

SAME_TIME = 0.01
"""What times may differ by, as those of the paper and of its generator do."""


class LFMModel(LatentStageModel):
    """Trains ``NCSNpp`` on latents of a frozen RAE: flow matching along the path, LPIPS on the decoded jump to the
    next knot, and optionally L1 on the decoded end of a short integration."""

    options: LFMOptions

    def __init__(self, opt: dict[str, Any]) -> None:
        options = read_options(LFMOptions, opt["degflow"], "degflow")
        if opt["network_g"].get("end_time"):
            raise ValueError(
                "expected network_g without end_time for LFMModel, which trains velocities, got it; "
                "LFMDistillModel trains one-step students"
            )
        rae = load_rae(options.rae, Path(opt["path"].get("experiments_root", ".")).parent)
        super().__init__(opt, options, rae, solver=options.solver, steps=options.steps)
        self.tolerance, self.trajectory = options.tolerance, trajectory(options.trajectory)
        if self.is_train:
            say_other_times(options)

    def find_times(self) -> TimeMap:
        """With the times that the options name."""
        return TimeMap(self.options.last_scale, tuple(self.options.times.items()))

    def generator(self) -> DegFlow:
        """The degradation as trained so far, by the times of training."""
        found = super().generator()
        found.time_map = self.time_map
        return found

    @property
    def needs_images(self) -> bool:
        """Whether a loss looks at decoded images."""
        return bool(self.options.lpips_weight or self.options.rollout_weight)

    def compute_losses(self) -> dict[str, Tensor]:
        """Velocity loss at a time drawn per sample, and the image losses of the jump from there."""
        t = draw_times(self.latents.shape[1], self.device) * path_ends(self.times, self.available)
        point = path_points(self.trajectory, self.latents, self.times, t, self.known)
        velocity = at_least_float32(self.network(point.position, t, self.condition, camera=self.camera))
        losses = {"velocity": self.options.velocity_weight * velocity_loss(velocity, point).mean()}
        if self.perceptual is not None:
            scales = self.time_map.scale(self.times)[point.next_index]
            landing, real = self.decode(jump(t, velocity, point), scales), self._views_at(point.next_index)
            losses["lpips"] = self.options.lpips_weight * self.perceptual(landing, real)
        if self.options.rollout_weight:
            losses["rollout"] = self.options.rollout_weight * self._rollout_distance()
        return losses

    def _rollout_distance(self) -> Tensor:
        """L1 distance of the view after integrating from HR to a scale drawn per sample, in [-1, 1]."""
        target = self.draw_target()
        end = integrate(
            lambda z, t: self.network(z, t, self.condition, camera=self.camera), self.latents[0],
            self.time_map.time(target.scales), self.options.rollout_steps, "euler",
        )  # fmt: skip
        generated = self.decode(end, target.scales)
        return target.distance(generated)

    def _views_at(self, index: Tensor) -> Tensor:
        """Views (B, 3, P, P) in [-1, 1] at ``index`` (B,) of the path."""
        assert self.path_views is not None
        return self.path_views[torch.arange(len(index), device=self.device), index] * 2 - 1


def load_rae(path_or_run: str, experiments: Path) -> ResidualAutoencoder:
    """The frozen autoencoder of a stage 1 run.

    Raises:
        ValueError: no such run, or a checkpoint of another network.
    """
    path = find_checkpoint(path_or_run, experiments)
    spec, state = read_checkpoint(path)
    try:
        rae = ResidualAutoencoder(**spec)
        rae.load_state_dict(state)
    except (TypeError, RuntimeError):
        raise ValueError(
            f"expected a stage 1 checkpoint (ResidualAutoencoder), got {path}, which is of another network"
        ) from None
    return rae.eval().requires_grad_(False)


def say_other_times(options: LFMOptions) -> None:
    """Say where ``options.times`` are not those that the bundle will ask at, which keeps none."""
    straight = TimeMap(options.last_scale)
    for scale, time in options.times.items():
        if abs(time - straight.time(scale)) > SAME_TIME:
            notice(
                f"degflow.times is of training and validation: the bundle asks x{scale:g} at t = "
                f"{straight.time(scale):.4f}, and not at {time:g}"
            )
