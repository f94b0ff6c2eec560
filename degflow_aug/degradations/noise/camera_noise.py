"""The residual noise of several cameras, each sample with that of its own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from degflow_aug.bundles.bundle import State
from degflow_aug.degradations.camera_choice import by_camera
from degflow_aug.degradations.noise.residual_noise import ResidualNoise


class CameraNoise(nn.ModuleList):
    """One :class:`ResidualNoise` a camera."""

    def __init__(self, noises: Sequence[ResidualNoise]) -> None:
        super().__init__(noises)

    @torch.no_grad()
    def forward(
        self, lr: Tensor, scales: Tensor, strength: float, generator: torch.Generator, cameras: Tensor
    ) -> Tensor:
        """As :class:`ResidualNoise`, sample i with the noise of number ``cameras[i]``, (B,) on the CPU."""

        def noisy(camera: int, rows: Tensor) -> Tensor:
            images = lr.index_select(0, rows.to(lr.device, non_blocking=True))
            return self[camera](images, scales.index_select(0, rows.to(scales.device)), strength, generator)

        return by_camera(cameras, noisy)


def noise_of(states: Sequence[State]) -> ResidualNoise | CameraNoise | None:
    """The noise with this state, or that of several cameras; None of no state.

    Raises:
        ValueError: states of something else.
    """
    noises = [ResidualNoise.from_state(state) for state in states]
    return CameraNoise(noises) if len(noises) > 1 else next(iter(noises), None)
