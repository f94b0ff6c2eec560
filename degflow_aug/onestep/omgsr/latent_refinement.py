"""Latent distribution refinement (OMGSR): the encoder learns to make what the backbone takes for its own state."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def refinement_loss(lr: Tensor, hr: Tensor, signal: Tensor, noise: Tensor) -> Tensor:
    """MSE(z_L, signal z_H + noise eps), eps drawn anew; only the encoder that made ``lr`` gets a gradient.

    Its optimum is signal z_H, the mean over eps, and no noise (our inference).

    Args:
        lr: z_L (B, C, h, w), of the encoder with LoRA.
        hr: z_H, of the original encoder.
        signal: sqrt(alpha bar), or 1 - sigma of a straight path.
        noise: sqrt(1 - alpha bar), or sigma.
    """
    state = signal * hr.detach() + noise * torch.randn_like(hr)
    return F.mse_loss(lr, state)
