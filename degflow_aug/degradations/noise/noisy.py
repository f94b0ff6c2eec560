"""What degradations share that are learned from pairs: the residual noise of their LR, to be switched on and scaled."""

from __future__ import annotations

import math

from torch import Tensor

from degflow_aug.degradations.base import Degradation
from degflow_aug.degradations.noise.camera_noise import CameraNoise
from degflow_aug.degradations.noise.residual_noise import ResidualNoise
from degflow_aug.degradations.patch_resampling import without_autocast


class NoisyDegradation(Degradation):
    """A degradation whose LR images can have the noise that HR does not determine.

    Args:
        residual: what real LR images hold beside what HR determines; that of each camera where there are several.
        noise: its strength in LR images and patches, 1 for that of the real pairs; views have none.

    Raises:
        ValueError: a strength that cannot be, or noise without its statistics.
    """

    def __init__(self, residual: ResidualNoise | CameraNoise | None = None, noise: float = 0.0) -> None:
        super().__init__()
        if not 0 <= noise < math.inf or (noise and residual is None):
            raise ValueError(
                f"expected noise of 0 for a generator that has learned none, got {noise:g}; `degflow noise` learns it"
                if residual is None
                else f"expected noise as a finite number of at least 0, got {noise:g}"
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
