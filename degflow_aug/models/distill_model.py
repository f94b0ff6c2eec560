"""One-step students as a BasicSR model: from the HR image's latent to that of any scale in one evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from basicsr.utils import get_root_logger
from torch import Tensor

from degflow_aug.archs.generator.ncsnpp_arch import NCSNpp
from degflow_aug.bundles.bundle import State
from degflow_aug.degradations.fitted.camera_kernels import FittedCamera
from degflow_aug.flow.consistency import consistency_loss, consistency_target, draw_pairs
from degflow_aug.flow.objective import draw_times
from degflow_aug.flow.solver import JUMP, RK45, integrate, jumps
from degflow_aug.models.stages.kernel_source import kernel_after
from degflow_aug.models.stages.latent_stage import LatentStageModel
from degflow_aug.models.stages.paths import path_ends
from degflow_aug.models.stages.teacher import check_cameras, check_end, load_teacher
from degflow_aug.options.sections import read_options
from degflow_aug.options.stages import DistillOptions


class LFMDistillModel(LatentStageModel):
    """Trains an ``NCSNpp`` with ``end_time`` to give the average velocity of a frozen generator.

    Losses: the mean square between the student's end and its target in latents, at a scale drawn anywhere on the path;
    and the distance of the decoded end to the real view at a knot or pseudo-knot (L1, LPIPS). The target of ``average``
    is the end of the teacher's own integration; that of ``consistency`` is FlowSR's, see ``flow.consistency``, at
    points of the teacher's path, because the target is asked for the end from such points and not from those of data.
    """

    options: DistillOptions

    def __init__(self, opt: dict[str, Any]) -> None:
        options = read_options(DistillOptions, opt["degflow"], "degflow")
        self.taught = load_teacher(options.teacher, Path(opt["path"].get("experiments_root", ".")).parent)
        spec = self.taught.spec
        check_end(options, spec, "teacher")
        check_cameras(options.cameras, spec, "teacher")
        options = replace(options, camera=options.camera or spec.camera, cameras=spec.cameras)
        super().__init__(opt, options, self.taught.rae, solver=JUMP, steps=options.steps)
        self.teacher = self.taught.velocity.to(self.device).to(memory_format=torch.channels_last)

    def _prepare_training(self, load_path: str | None) -> None:
        if not load_path:
            self._start_as_teacher()
        super()._prepare_training(load_path)

    def _start_as_teacher(self) -> None:
        """The teacher's weights; what takes the end time starts at zero."""
        student: NCSNpp = self.get_bare_model(self.net_g)
        wanted = {**self.taught.velocity.spec, "end_time": True, "dropout": student.spec["dropout"]}
        for key, value in wanted.items():
            found = student.spec[key]
            if found != value:
                raise ValueError(f"expected network_g.{key} {value} for a student of this teacher, got {found}")
        new = student.load_state_dict(self.taught.velocity.state_dict(), strict=False).missing_keys
        total = len(student.state_dict())
        get_root_logger().info(
            f"{total - len(new)} of {total} tensors of the student begin as the teacher's; left out: {', '.join(new)}"
        )

    def find_kernel(self) -> FittedCamera:
        """The kernel named in the options, that of the teacher's bundle, or one fitted to the training set."""
        return kernel_after(self.taught, self.opt, self.options)

    @property
    def needs_images(self) -> bool:
        """Whether a loss looks at decoded images."""
        return bool(self.options.lpips_weight or self.options.image_weight)

    def compute_losses(self) -> dict[str, Tensor]:
        """Distance to the target in latents, and to real views in images."""
        losses = {}
        if self.options.latent_weight:
            end = draw_times(self.latents.shape[1], self.device) * path_ends(self.times, self.available)
            distance = self._to_average if self.options.method == "average" else self._to_consistency
            losses["latent"] = self.options.latent_weight * distance(end).mean()
        return {**losses, **(self._image_losses() if self.needs_images else {})}

    def _to_average(self, end: Tensor) -> Tensor:
        target = self._teacher_at(end)
        found = jumps(self._student, self.latents[0], end, self.options.steps)
        return (found.float() - target).square().flatten(1).mean(1)

    def _to_consistency(self, end: Tensor) -> Tensor:
        t, t_next = (end * fraction for fraction in draw_pairs(len(end), self.device))
        z = self._teacher_at(t)
        target = consistency_target(self._velocity, self._slow_student, z, t, t_next, end)
        return consistency_loss(self._student, z, t, end, target)

    def _image_losses(self) -> dict[str, Tensor]:
        target, losses = self.draw_target(), {}
        end = jumps(self._student, self.latents[0], self.time_map.time(target.scales), self.options.steps)
        generated = self.decode(end, target.scales)
        if self.options.image_weight:
            losses["image"] = self.options.image_weight * target.distance(generated)
        if self.perceptual is not None:
            losses["lpips"] = self.options.lpips_weight * self.perceptual(generated, target.beside(generated))
        return losses

    def _student(self, z: Tensor, t: Tensor, end: Tensor) -> Tensor:
        return self.network(z, t, self.condition, end, self.camera).float()

    def _slow_student(self, z: Tensor, t: Tensor, end: Tensor) -> Tensor:
        return self.trained_network()(z, t, self.condition, end, self.camera).float()

    def _velocity(self, z: Tensor, t: Tensor) -> Tensor:
        return self.teacher(z, t, self.condition, camera=self.camera).float()

    @torch.no_grad()
    def _teacher_at(self, t: Tensor) -> Tensor:
        """The teacher's point (B, c, h, w) at times ``t`` (B,), by its own solver from the HR image.

        RK45 would take some hundred evaluations per sample; in its place are as many steps of Heun's method.
        """
        spec = self.taught.spec
        return integrate(self._velocity, self.latents[0], t, spec.steps, "heun" if spec.solver == RK45 else spec.solver)

    def facts(self) -> dict[str, Any]:
        """What the bundle says of its training."""
        return {**super().facts(), "teacher": self.options.teacher, "method": self.options.method}

    def kernel_states(self) -> Sequence[State]:
        """The kernels that were used, or the teacher's."""
        return super().kernel_states() or self.taught.kernels

    def noise_states(self) -> Sequence[State]:
        """What HR does not determine is no matter of steps: the teacher's."""
        return self.taught.noise
