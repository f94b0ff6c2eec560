"""Antialiased bicubic downscaling: the classical degradation, and the baseline of every comparison."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from degflow_aug.degradations.base import Degradation
from degflow_aug.degradations.grid import resample_patches, to_lr_grid
from degflow_aug.degradations.options import ScaleRange


class Bicubic(Degradation):
    """LR by antialiased bicubic interpolation (a = -0.5), at any scale >= 1."""

    @torch.no_grad()
    def forward(self, hr: Tensor, scale: float) -> Tensor:
        """LR of ``hr`` at ``scale``: (B, 3, H, W) in [0, 1] -> (B, 3, round(H / s), round(W / s)) in [0, 1]."""
        return to_lr_grid(hr, self.check(hr, scale))

    @torch.no_grad()
    def lr_patches(self, hr: Tensor, scales: Tensor, lr_size: int) -> Tensor:
        """As :meth:`Degradation.lr_patches`, in one batched pass."""
        sides = self.check_patches(hr, scales, lr_size)[1]
        return resample_patches(hr, sides, lr_size).clamp(0, 1)


@dataclass(frozen=True)
class BicubicOptions:
    """Antialiased bicubic."""

    scale_range: ScaleRange | None = None

    def build(self, where: str) -> Bicubic:
        """The degradation."""
        return Bicubic()
