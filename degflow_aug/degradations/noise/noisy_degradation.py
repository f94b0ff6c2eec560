"""What degradations share that are learned from pairs: noise, that of each camera, switched on and scaled."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from degflow_aug.bundles.bundle import State
from degflow_aug.degradations.base import Degradation
from degflow_aug.degradations.camera_choice import by_camera
from degflow_aug.degradations.grid import without_autocast
from degflow_aug.degradations.noise.learned_noise import LearnedNoise
from degflow_aug.degradations.noise.residual_noise import ResidualNoise
from degflow_aug.degradations.options import Strength
from degflow_aug.options.values import convert


class NoNoise(nn.Module):
    """That of a camera whose LR images are most like real ones without any: nothing, at every strength.

    Args:
        scales: (K,), those of the pairs that have shown it.
    """

    scales: Tensor

    def __init__(self, scales: Tensor) -> None:
        super().__init__()
        self.register_buffer("scales", scales.float().clone())

    def forward(self, lr: Tensor, scales: Tensor, strength: float, generator: torch.Generator) -> Tensor:
        """``lr`` itself."""
        return lr


Noise = ResidualNoise | LearnedNoise | NoNoise


class CameraNoise(nn.ModuleList):
    """One noise per camera."""

    def __init__(self, noises: Sequence[Noise]) -> None:
        super().__init__(noises)

    @torch.no_grad()
    def forward(
        self, lr: Tensor, scales: Tensor, strength: float, generator: torch.Generator, cameras: Tensor
    ) -> Tensor:
        """As :class:`ResidualNoise`, but sample i with the noise of number ``cameras[i]``, (B,) on the CPU."""

        def noisy(camera: int, rows: Tensor) -> Tensor:
            images = lr.index_select(0, rows.to(lr.device, non_blocking=True))
            return self[camera](
                images, scales.index_select(0, rows.to(scales.device, non_blocking=True)), strength, generator
            )

        return by_camera(cameras, noisy)


def noise_from_state(state: State) -> Noise:
    """The noise with this ``state_dict``, whichever of its forms it is.

    Raises:
        ValueError: it is the state of something else, or of an earlier form.
    """
    if state.keys() == {"scales"}:
        return NoNoise(state["scales"])
    learned = any(key.startswith("layers.") for key in state)
    return LearnedNoise.from_state(state) if learned else ResidualNoise.from_state(state)


def noise_of(states: Sequence[State]) -> Noise | CameraNoise | None:
    """The noise with this state, or that of several cameras; None of no state.

    Raises:
        ValueError: states of something else.
    """
    noises = [noise_from_state(state) for state in states]
    return CameraNoise(noises) if len(noises) > 1 else next(iter(noises), None)


class NoisyDegradation(Degradation):
    """A degradation whose LR images can have the noise that HR does not determine.

    Args:
        residual: what real LR images hold beside what HR determines; that of each camera where there are several.
        noise: its strength in LR images and patches, 1 for that of the real pairs; views have none.

    Raises:
        ValueError: a strength that cannot be, or noise without its statistics.
    """

    def __init__(self, residual: Noise | CameraNoise | None = None, noise: float = 0.0) -> None:
        super().__init__()
        if convert(noise, Strength, "noise") and residual is None:
            raise ValueError(
                f"expected noise of 0 for a generator that has learned none, got {noise:g}; `degflow noise` learns it"
            )
        self.residual, self.noise = residual, noise

    def with_noise(self, lr: Tensor, scales: Tensor, weights: Tensor | None = None) -> Tensor:
        """LR images (B, 3, h, w) at scales (B,) with noise of the strength asked for, drawn from the own stream.

        Args:
            weights: (B, cameras) of several cameras: a sample gets the noise of its nearest.
        """
        if self.residual is None or not self.noise:
            return lr
        nearest = () if weights is None or weights.shape[1] == 1 else (weights.argmax(1).cpu(),)
        with without_autocast(lr.device):
            return self.residual(lr, scales, self.noise, self.generator(lr.device), *nearest)
