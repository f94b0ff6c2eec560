"""Where the flow carries the latent of an encoded HR image."""

from __future__ import annotations

import torch
from torch import Tensor

from degflow_aug.archs.generator.ncsnpp_arch import NCSNpp
from degflow_aug.archs.generator.rae_arch import ResidualAutoencoder
from degflow_aug.degradations.generator.execution import EncodedHR
from degflow_aug.degradations.grid import at_least_float32
from degflow_aug.flow.solver import JUMP, check_solver, default_steps, integrate, jumps
from degflow_aug.options.values import Steps, convert


class FlowPath:
    """The path of the flow from one encoded HR image (B, ...), to be walked to any number of end times.

    Latents and times along it are float32 at least, whatever the networks run in. Every path of a solver leaves from
    the same latent at t = 0, so the velocity there is evaluated once.

    Args:
        rae: standardises the latents.
        velocity: the velocity network, or one of average velocities for the solver ``jump``.
        encoded: the HR image.
        solver, steps: how a path is walked.
        camera: weights (B, cameras), where the network tells cameras apart.
    """

    def __init__(
        self,
        rae: ResidualAutoencoder,
        velocity: NCSNpp,
        encoded: EncodedHR,
        *,
        solver: str,
        steps: int,
        camera: Tensor | None = None,
    ) -> None:
        self.rae, self.velocity, self.condition = rae, velocity, encoded.condition
        self.camera, self.solver, self.steps, self.dtype = camera, solver, steps, next(rae.parameters()).dtype
        self.start = rae.standardise(at_least_float32(encoded.latent))
        self._first: Tensor | None = None

    def latent(self, end: Tensor) -> Tensor:
        """The latent (B, c, h, w), as the decoder takes it, at end times (B,)."""
        if self.solver == JUMP:
            z = jumps(self._average, self.start, end, self.steps)
        else:
            z = integrate(self._velocity, self.start, end, self.steps, self.solver)
        return self.rae.unstandardise(z).to(self.dtype)

    def _velocity(self, z: Tensor, t: Tensor) -> Tensor:
        if z is not self.start:
            return self.velocity(z.to(self.dtype), t, self.condition, camera=self.camera)
        if self._first is None:
            self._first = self.velocity(z.to(self.dtype), torch.zeros_like(t), self.condition, camera=self.camera)
        return self._first

    def _average(self, z: Tensor, t: Tensor, end: Tensor) -> Tensor:
        return self.velocity(z.to(self.dtype), t, self.condition, end, self.camera)


def solver_for(velocity: NCSNpp, solver: str | None, steps: int | None) -> tuple[str, int]:
    """A solver and its steps for a velocity network; none is heun, or jump for a student, and its own number of steps.

    Raises:
        ValueError: an unknown solver, one that the network cannot do, or no step.
    """
    if solver is None:
        solver = JUMP if velocity.end is not None else "heun"
    check_solver(solver, end_time=velocity.end is not None)
    return solver, default_steps(solver) if steps is None else int(convert(steps, Steps, "steps"))
