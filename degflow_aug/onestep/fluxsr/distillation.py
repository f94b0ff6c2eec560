"""Flow trajectory distillation (FluxSR, algorithm 1): the student's velocity on the path from LR to noise."""

from __future__ import annotations

import torch
from torch import Tensor

from degflow_aug.onestep.networks.noise_levels import per_sample


def draw_times(batch: int, lr_time: float, device: torch.device) -> Tensor:
    """(B,) uniform in [T_L, 1] (uniform is our inference), from torch's random state."""
    return lr_time + (1 - lr_time) * torch.rand(batch, device=device)


def path_from_lr(lr: Tensor, noise: Tensor, times: Tensor, lr_time: float) -> Tensor:
    """z_t = (1 - t) / (1 - T_L) z_L + (t - T_L) / (1 - T_L) eps, for times (B,) in [T_L, 1].

    The paper's figure has a minus between them, which would not lead from z_L to eps.
    """
    share = per_sample((times - lr_time) / (1 - lr_time), lr)
    return (1 - share) * lr + share * noise


def distillation_loss(velocity: Tensor, lr: Tensor, hr: Tensor, noise: Tensor, lr_time: float) -> Tensor:
    """mean |(u - T_L v) - (eps - z_L)|^2 with u = eps - z_0, whose teacher is never asked.

    The noise cancels: it is mean |(z_L - z_0) - T_L v|^2, and at t = T_L that of the generator's own latents.

    Args:
        velocity: v(z_t, t), (B, C, h, w) as all of them.
        lr: z_L.
        hr: z_0.
        noise: eps, the end of the teacher's path through z_0.
        lr_time: T_L.
    """
    return ((noise - hr - lr_time * velocity) - (noise - lr)).square().mean()
