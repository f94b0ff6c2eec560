"""DegFlow generators of the presets, with fitted or random weights, and the official sampler beside ours."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.shared.measurement import TooLong
from degflow_aug.archs.generator.ncsnpp_arch import NCSNpp, hr_condition
from degflow_aug.archs.generator.rae_arch import ResidualAutoencoder
from degflow_aug.bundles.bundle import load_bundle
from degflow_aug.degradations.convolution import pad_to_multiple
from degflow_aug.degradations.fitted.camera_kernels import Anchor, FittedCamera, kernel_of
from degflow_aug.degradations.fitted.fitted_kernel import FittedKernel
from degflow_aug.degradations.generator.degflow import DegFlow
from degflow_aug.fit.presets import preset
from degflow_aug.flow.solver import EVALUATIONS, JUMP, RK45, default_steps, integrate_rk45
from degflow_aug.flow.time_map import TimeMap

FRESH_KNOTS, FRESH_SIDE = (1.0, 4.0), 31


@dataclass(frozen=True)
class Networks:
    """What a generator is built of.

    Attributes:
        solver, steps: its default sampler.
        weights: where they come from, in words.
        kernel: what an anchored autoencoder adds to; others do without.
    """

    rae: ResidualAutoencoder
    velocity: NCSNpp
    knots: tuple[float, ...]
    s_max: float
    solver: str
    steps: int
    weights: str
    kernel: FittedCamera | None = None

    def degflow(self, solver: str, steps: int, **settings: Any) -> DegFlow:
        """A generator over these very networks."""
        path: dict[str, Any] = {"knots": self.knots, "s_max": self.s_max, "solver": solver, "steps": steps}
        return DegFlow(self.rae, self.velocity, kernel=self.kernel, **path, **settings).requires_grad_(False)

    def base(self, hr: Tensor, scale: float) -> Tensor | None:
        """What an anchored decoder adds to at ``scale``, in [-1, 1]: the linear camera's view of ``hr`` (B, 3, H, W) in
        [0, 1], padded as the networks take it; none where it adds to the image itself."""
        if not self.rae.anchored:
            return None
        if self.kernel is None:
            raise ValueError("expected the fitted kernel of an anchored autoencoder, got none; give it as kernel")
        view = Anchor(self.kernel)(hr, torch.full(hr.shape[:1], float(scale), device=hr.device))
        return self.padded(view)

    def padded(self, image: Tensor) -> Tensor:
        """An image in [0, 1] as the networks take it."""
        return pad_to_multiple(image * 2 - 1, self.rae.multiple * self.velocity.multiple)

    def on(self, device: torch.device) -> Networks:
        """The same on a device."""
        kernel = None if self.kernel is None else self.kernel.to(device)
        return replace(self, rae=self.rae.to(device), velocity=self.velocity.to(device), kernel=kernel)

    def copied(self) -> Networks:
        """The same with networks of its own, which compilation and memory formats of others leave alone."""
        return replace(self, rae=copy.deepcopy(self.rae), velocity=copy.deepcopy(self.velocity))

    def student(self) -> Networks:
        """A network of these sizes that goes all the way in one evaluation; its further weights are random."""
        spec: dict[str, Any] = {**self.velocity.spec, "end_time": True}
        student = NCSNpp(**spec)
        student.load_state_dict(self.velocity.state_dict(), strict=False)
        student = student.eval().to(next(self.velocity.parameters()).device)
        return replace(self, velocity=student, solver=JUMP, steps=1)


def preset_networks(name: str, device: torch.device, bundle: Path | None = None, seed: int = 0) -> Networks:
    """Networks of a preset: those of ``bundle``, or with the weights that training starts from.

    Raises:
        ValueError: the bundle is none, or its networks are not of the preset's sizes.
    """
    fresh = fresh_networks(name, seed)
    if bundle is None:
        return fresh.on(device)
    found = bundle_networks(bundle, device)
    # Where the decoder adds to is no size, and older bundles have it otherwise.
    sizes = {**fresh.rae.spec, **found.rae.spec, "anchored": fresh.rae.anchored}
    if sizes != fresh.rae.spec or found.velocity.base_channels != fresh.velocity.base_channels:
        raise ValueError(f"expected a bundle of preset {name}, got {bundle} with other sizes; name its own preset")
    return found


def bundle_networks(path: Path, device: torch.device) -> Networks:
    """The networks of a bundle with its default sampler."""
    bundle = load_bundle(path)
    spec, kernel = bundle.spec, kernel_of(bundle.kernels) if bundle.rae.anchored else None
    # Official weights have the adaptive solver, which has its own row.
    sampler = (spec.solver, spec.steps) if spec.solver != RK45 else ("heun", 2)
    return Networks(bundle.rae, bundle.velocity, spec.knots, spec.s_max, *sampler, path.name, kernel).on(device)


def fresh_networks(name: str, seed: int = 0) -> Networks:
    """Networks of a preset at the start of training, with the sampler of its last stage."""
    chosen = preset(name)
    torch.manual_seed(seed)
    rae = ResidualAutoencoder(**chosen.rae)
    condition = rae.condition_channels if chosen.conditioned else 0
    latent = {"latent_channels": rae.spec["latent_channels"], "condition_channels": condition}
    velocity = NCSNpp(**{**latent, **chosen.velocity})
    last, stage = list(chosen.stages.items())[-1]
    # Stage refine trains Euler steps and has no option for another solver.
    solver = str(stage.options.get("solver") or ("euler" if last == "refine" else "heun"))
    steps = int(stage.options.get("steps") or default_steps(solver))
    kernel = gaussian_kernel(FRESH_KNOTS) if rae.anchored else None
    return Networks(rae, velocity, FRESH_KNOTS, FRESH_KNOTS[-1], solver, steps, f"random (seed {seed})", kernel)


def gaussian_kernel(knots: Sequence[float], side: int = FRESH_SIDE) -> FittedKernel:
    """A kernel of the size of fitted ones: at scale s a Gaussian of sigma 0.4 sqrt(s^2 - 1) pixels."""
    squares = (torch.arange(side, dtype=torch.float64) - side // 2).square()
    kernels = torch.zeros(len(knots), 3, side, side, dtype=torch.float64)
    kernels[0, :, side // 2, side // 2] = 1
    for kernel, knot in zip(kernels[1:], knots[1:], strict=True):
        row = torch.exp(-squares / (2 * 0.4**2 * (knot**2 - 1)))
        kernel.copy_(row[:, None] * row / row.sum().square())
    return FittedKernel(torch.tensor(knots), kernels)


def evaluations(solver: str, steps: int) -> int:
    """Evaluations of the velocity network to a scale."""
    return steps * EVALUATIONS.get(solver, 1)


@torch.no_grad()
def host_rk45(
    networks: Networks, hr: Tensor, scales: Sequence[float], tolerance: float = 1e-5, longest: float = float("inf")
) -> tuple[list[Tensor], int]:
    """Views (B, 3, H, W) at ``scales`` as the official code samples them, and the evaluations that took.

    Encoding, one RK45 of the whole batch on the host, a decoding for each scale, which adds to the kernel's view where
    the autoencoder is anchored; in the networks' precision.

    Raises:
        TooLong: it takes more than ``longest`` seconds.
    """
    rae, velocity = networks.rae.eval(), networks.velocity.eval()
    latent, features = rae.encode(networks.padded(hr))
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
    views = [
        rae.decode(rae.unstandardise(state), features.on(networks.base(hr, scale)))
        for state, scale in zip(states, scales, strict=True)
    ]
    height, width = hr.shape[-2:]
    return [((view[..., :height, :width] + 1) / 2).clamp(0, 1) for view in views], found
