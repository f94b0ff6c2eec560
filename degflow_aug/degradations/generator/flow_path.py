"""Where the flow carries the latent of an encoded HR image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from degflow_aug.archs.generator.ncsnpp_arch import NCSNpp
from degflow_aug.archs.generator.rae_arch import ResidualAutoencoder
from degflow_aug.degradations.generator.execution import EncodedHR
from degflow_aug.degradations.grid import at_least_float32
from degflow_aug.files.notice import notice
from degflow_aug.flow.solver import (
    JUMP,
    RK45,
    RK45_TOLERANCE,
    RK45Path,
    Velocity,
    check_solver,
    default_steps,
    integrate,
    jumps,
)
from degflow_aug.options.values import Steps, Tolerance, convert


@dataclass(frozen=True)
class Sampler:
    """How a path is walked.

    Attributes:
        name: the solver.
        steps: of a solver with fixed steps, or jumps.
        tolerance: of RK45.
    """

    name: str
    steps: int
    tolerance: float


class FlowPath:
    """The path of the flow from one encoded HR image (B, ...), to be walked to any number of end times.

    Latents and times along it are float32 at least, whatever the networks run in. Every path of a solver leaves from
    the same latent at t = 0, so the velocity there is evaluated once.

    Args:
        rae: standardises the latents.
        velocity: the velocity network, or one of average velocities for the solver ``jump``.
        encoded: the HR image.
        solver: how paths are walked, each sample's by itself: a sample does not depend on those beside it.
        camera: weights (B, cameras), where the network tells cameras apart.
    """

    def __init__(
        self,
        rae: ResidualAutoencoder,
        velocity: NCSNpp,
        encoded: EncodedHR,
        *,
        solver: Sampler,
        camera: Tensor | None = None,
    ) -> None:
        self.rae, self.velocity, self.condition = rae, velocity, encoded.condition
        self.camera, self.solver, self.dtype = camera, solver, next(rae.parameters()).dtype
        self.start = rae.standardise(at_least_float32(encoded.latent))
        self._first: Tensor | None = None
        self._solved: list[RK45Path] = []

    def latent(self, end: Tensor) -> Tensor:
        """The latent (B, c, h, w), as the decoder takes it, at end times (B,)."""
        name, steps = self.solver.name, self.solver.steps
        if name == JUMP:
            z = jumps(self._average, self.start, end, steps)
        elif name == RK45:
            z = self._solutions_at(end.tolist())
        else:
            z = integrate(self._velocity, self.start, end, steps, name)
        return self.rae.unstandardise(z).to(self.dtype)

    def _solutions_at(self, times: Sequence[float]) -> Tensor:
        """One solve per sample to t = 1, or further where a time is, and all times from its dense output."""
        if not self._solved or self._solved[0].end < max(times):
            end, velocities = max(1.0, *times), map(self._velocity_of, range(len(times)))
            starts = self.start.split(1)
            self._solved = [
                RK45Path(velocity, start, self.solver.tolerance, end=end)
                for velocity, start in zip(velocities, starts, strict=True)
            ]
        return torch.cat([path.at(time) for path, time in zip(self._solved, times, strict=True)])

    def _velocity_of(self, index: int) -> Velocity:
        """The velocity of one sample, (1, ...) to (1, ...)."""
        rows = slice(index, index + 1)
        condition, camera = (None if part is None else part[rows] for part in (self.condition, self.camera))
        return lambda z, t: self.velocity(z.to(self.dtype), t, condition, camera=camera)

    def _velocity(self, z: Tensor, t: Tensor) -> Tensor:
        if z is not self.start:
            return self.velocity(z.to(self.dtype), t, self.condition, camera=self.camera)
        if self._first is None:
            self._first = self.velocity(z.to(self.dtype), torch.zeros_like(t), self.condition, camera=self.camera)
        return self._first

    def _average(self, z: Tensor, t: Tensor, end: Tensor) -> Tensor:
        return self.velocity(z.to(self.dtype), t, self.condition, end, self.camera)


def sampler_for(velocity: NCSNpp, solver: str | None, steps: int | None, tolerance: float | None) -> Sampler:
    """The sampler of a velocity network; no solver is heun, or jump for a student, and no steps are its own number.

    Raises:
        ValueError: an unknown solver, one that the network cannot do, no step, or what another solver takes.
    """
    if solver is None:
        solver = JUMP if velocity.end is not None else "heun"
    check_solver(solver, end_time=velocity.end is not None)
    if solver == RK45 and steps is not None:
        raise ValueError(f"expected no steps for the solver {RK45}, which chooses them, got {steps}; set tolerance")
    if solver != RK45 and tolerance is not None:
        raise ValueError(f"expected no tolerance for the solver {solver}, got {tolerance}; {RK45} takes one")
    sampler = Sampler(
        solver,
        default_steps(solver) if steps is None else int(convert(steps, Steps, "steps")),
        RK45_TOLERANCE if tolerance is None else float(convert(tolerance, Tolerance, "tolerance")),
    )
    if solver == RK45:
        notice(
            f"solver {RK45} is slow: as in the official code it takes some hundred evaluations per image, one image "
            "after another, and runs on the host; those of fixed steps, such as heun, are quick"
        )
    return sampler


class SamplerDefaults(Protocol):
    """What a bundle, or the model that will write it, says of its sampler."""

    @property
    def solver(self) -> str: ...
    @property
    def steps(self) -> int: ...
    @property
    def tolerance(self) -> float: ...


def sampler_settings(
    spec: SamplerDefaults, solver: str | None, steps: int | None, tolerance: float | None
) -> dict[str, Any]:
    """What :func:`sampler_for` takes, with that of a bundle in the place of None."""
    solver = spec.solver if solver is None else solver
    if solver == RK45:
        return {"solver": solver, "steps": steps, "tolerance": spec.tolerance if tolerance is None else tolerance}
    return {"solver": solver, "steps": spec.steps if steps is None else steps, "tolerance": tolerance}
