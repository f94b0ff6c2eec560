"""Antialiased bicubic downscaling: the classical degradation, and the baseline of every comparison."""

from __future__ import annotations

import torch
from torch import Tensor

from degflow_aug.degradations.base import Degradation
from degflow_aug.degradations.grid import to_lr_grid


class Bicubic(Degradation):
    """LR by antialiased bicubic interpolation (a = -0.5), at any scale >= 1."""

    @torch.no_grad()
    def forward(self, hr: Tensor, scale: float) -> Tensor:
        """LR of ``hr`` at ``scale``: (B, 3, H, W) in [0, 1] -> (B, 3, round(H / s), round(W / s)) in [0, 1]."""
        return to_lr_grid(hr, self.check(hr, scale))
