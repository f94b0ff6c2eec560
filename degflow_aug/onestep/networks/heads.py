"""What discriminators train on frozen features: small heads of convolutions, and how checkpoints fill them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm


def heads_state(heads: nn.Module) -> dict[str, Tensor]:
    """Weights and buffers of heads, on the CPU: what a checkpoint needs beside published features."""
    return {key: value.detach().cpu() for key, value in heads.state_dict().items()}


def load_heads(heads: nn.Module, state: dict[str, Tensor]) -> None:
    """Fill heads from a checkpoint.

    Raises:
        ValueError: it has others.
    """
    try:
        heads.load_state_dict(state)
    except RuntimeError:
        raise ValueError(
            "expected heads of this discriminator in the checkpoint, got others; check network_d"
        ) from None


class Blur(nn.Module):
    """Smoothing with [1 2 1] / 4 on both axes, every second cell kept."""

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, C, about h / 2, about w / 2)."""
        if min(features.shape[-2:]) < 2:
            return features
        kernel = torch.tensor([1.0, 2.0, 1.0]).to(features, non_blocking=True) / 4
        weight = torch.outer(kernel, kernel).expand(features.shape[1], 1, 3, 3)
        return F.conv2d(F.pad(features, (1, 1, 1, 1), mode="reflect"), weight, stride=2, groups=features.shape[1])


def chunk_head(channels: int, width: int) -> nn.Sequential:
    """Two convolutions and a linear layer, all of spectral norm 1."""
    return nn.Sequential(
        spectral_norm(nn.Conv2d(channels, width, 3, padding=1)),
        nn.LeakyReLU(0.2),
        Blur(),
        spectral_norm(nn.Conv2d(width, width, 3, padding=1)),
        nn.LeakyReLU(0.2),
        spectral_norm(nn.Conv2d(width, 1, 1)),
    )


def token_map(tokens: Tensor, side: int) -> Tensor:
    """(B, 1 + side^2, C) with the class token first -> (B, C, side, side)."""
    return tokens[:, 1:].transpose(1, 2).reshape(len(tokens), -1, side, side)
