"""DegFlow generators of the presets, with fitted or random weights, and the official sampler beside ours."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from cost_measurement import TooLong
from torch import Tensor

from degflow_aug.archs.ncsnpp_arch import NCSNpp, hr_condition
from degflow_aug.archs.rae_arch import ResidualAutoencoder
from degflow_aug.bundle import load_bundle
from degflow_aug.degradations.degflow import DegFlow
from degflow_aug.degradations.padding import pad_to_multiple
from degflow_aug.flow.solver import EVALUATIONS, JUMP, default_steps, integrate_rk45
from degflow_aug.flow.time_map import TimeMap
from degflow_aug.models.presets import preset


@dataclass(frozen=True)
class Networks:
    """What a generator is built of.

    Attributes:
        solver, steps: its default sampler.
        weights: where they come from, in words.
    """

    rae: ResidualAutoencoder
    velocity: NCSNpp
    knots: tuple[float, ...]
    s_max: float
    solver: str
    steps: int
    weights: str

    def degflow(self, solver: str, steps: int, **settings: Any) -> DegFlow:
        """A generator over these very networks."""
        path: dict[str, Any] = {"knots": self.knots, "s_max": self.s_max, "solver": solver, "steps": steps}
        return DegFlow(self.rae, self.velocity, **path, **settings).requires_grad_(False)

    def copied(self) -> Networks:
        """The same with networks of its own, which compilation and memory formats of others leave alone."""
        return Networks(**{**self.__dict__, "rae": copy.deepcopy(self.rae), "velocity": copy.deepcopy(self.velocity)})

    def student(self) -> Networks:
        """A network of these sizes that goes all the way in one evaluation; its further weights are random."""
        spec: dict[str, Any] = {**self.velocity.spec, "end_time": True}
        student = NCSNpp(**spec)
        student.load_state_dict(self.velocity.state_dict(), strict=False)
        student = student.eval().to(next(self.velocity.parameters()).device)
        return Networks(**{**self.__dict__, "velocity": student, "solver": JUMP, "steps": 1})


def preset_networks(name: str, device: torch.device, bundle: Path | None = None, seed: int = 0) -> Networks:
    """Networks of a preset: those of ``bundle``, or with the weights that training starts from.

    Raises:
        ValueError: the bundle is none, or its networks are not of the preset's sizes.
    """
    rae, velocity, solver, steps = fresh_networks(name, seed)
    if bundle is None:
        weights = f"random (seed {seed})"
        return Networks(rae.to(device), velocity.to(device), (1.0, 4.0), 4.0, solver, steps, weights)
    loaded = load_bundle(bundle)
    spec = loaded.spec
    if {**rae.spec, **loaded.rae.spec} != rae.spec or loaded.velocity.base_channels != velocity.base_channels:
        raise ValueError(f"expected a bundle of preset {name}, got {bundle} with other sizes; name its own preset")
    networks = (loaded.rae.to(device), loaded.velocity.to(device))
    return Networks(*networks, spec.knots, spec.s_max, spec.solver, spec.steps, bundle.name)


def fresh_networks(name: str, seed: int = 0) -> tuple[ResidualAutoencoder, NCSNpp, str, int]:
    """Autoencoder and velocity network of a preset at the start of training, its solver and steps."""
    chosen = preset(name)
    torch.manual_seed(seed)
    rae = ResidualAutoencoder(**chosen.rae)
    condition = rae.condition_channels if chosen.conditioned else 0
    latent = {"latent_channels": rae.spec["latent_channels"], "condition_channels": condition}
    options = list(chosen.stages.values())[-1].options
    solver = str(options.get("solver") or "heun")
    return rae, NCSNpp(**{**latent, **chosen.velocity}), solver, int(options.get("steps") or default_steps(solver))


def evaluations(solver: str, steps: int) -> int:
    """Evaluations of the velocity network to a scale."""
    return steps * EVALUATIONS.get(solver, 1)


@torch.no_grad()
def host_rk45(
    networks: Networks, hr: Tensor, scales: Sequence[float], tolerance: float = 1e-5, longest: float = float("inf")
) -> tuple[list[Tensor], int]:
    """Views (B, 3, H, W) at ``scales`` as the official code samples them, and the evaluations that took.

    Encoding, one RK45 of the whole batch on the host, a decoding for each scale; in the networks' precision.

    Raises:
        TooLong: it takes more than ``longest`` seconds.
    """
    rae, velocity = networks.rae.eval(), networks.velocity.eval()
    image = pad_to_multiple(hr * 2 - 1, rae.multiple * velocity.multiple)
    latent, features = rae.encode(image)
    condition = None if velocity.condition is None else hr_condition(features)
    begin, count = time.monotonic(), 0

    def field(z: Tensor, t: Tensor) -> Tensor:
        nonlocal count
        if time.monotonic() - begin > longest:
            raise TooLong(f"over {longest:g} s after {count} evaluations")
        count += 1
        return velocity(z, t, condition)

    times = [TimeMap(networks.s_max).time(scale) for scale in scales]
    states, found = integrate_rk45(field, rae.standardise(latent), times, tolerance)
    views = [rae.decode(rae.unstandardise(state), features) for state in states]
    height, width = hr.shape[-2:]
    return [((view[..., :height, :width] + 1) / 2).clamp(0, 1) for view in views], found
