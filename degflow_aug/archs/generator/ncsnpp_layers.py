"""Layers of NCSN++: initialisation by fan average, BigGAN-style residual blocks, single-head attention."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SKIP_RESCALE = 1 / math.sqrt(2)


def fan_average_(weight: Tensor, scale: float, fan_in: int, fan_out: int) -> Tensor:
    """Fill uniformly with variance scale / mean(fan_in, fan_out); scale 0 stands for 1e-10, an output near zero."""
    limit = math.sqrt(3 * max(scale, 1e-10) / ((fan_in + fan_out) / 2))
    return nn.init.uniform_(weight, -limit, limit)


def conv(in_channels: int, out_channels: int, size: int, scale: float = 1.0) -> nn.Conv2d:
    """Make a convolution with the fan-average initialisation and zero bias, same size out as in."""
    layer = nn.Conv2d(in_channels, out_channels, size, padding=size // 2)
    fan_average_(layer.weight.data, scale, in_channels * size**2, out_channels * size**2)
    nn.init.zeros_(layer.bias.data)  # type: ignore[union-attr]
    return layer


def dense(in_features: int, out_features: int) -> nn.Linear:
    """Make a linear layer with the fan-average initialisation and zero bias."""
    layer = nn.Linear(in_features, out_features)
    fan_average_(layer.weight.data, 1.0, in_features, out_features)
    nn.init.zeros_(layer.bias.data)
    return layer


def group_norm(channels: int) -> nn.GroupNorm:
    """Make a group norm of min(channels / 4, 32) groups, fewer where that does not divide the width; eps 1e-6."""
    groups = min(max(channels // 4, 1), 32)
    while channels % groups:
        groups -= 1
    return nn.GroupNorm(groups, channels, eps=1e-6)


class PixelNorm(nn.Module):
    """Layer norm over the channels of each position: unlike group norm, blind to what else is in the image."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        normed = F.layer_norm(x.permute(0, 2, 3, 1), self.weight.shape, self.weight, self.bias, eps=1e-6)
        return normed.permute(0, 3, 1, 2)


def normalisation(channels: int, local: bool) -> nn.Module:
    """Make the norm of a block: of each position, or of groups of channels over the whole image."""
    return PixelNorm(channels) if local else group_norm(channels)


def time_embedding(t: Tensor, channels: int) -> Tensor:
    """Embed t as sines and cosines at geometric frequencies, float32: (B,) -> (B, channels)."""
    half = channels // 2
    frequencies = torch.exp(torch.arange(half, dtype=torch.float32, device=t.device) * (-math.log(10_000) / (half - 1)))
    angles = t.float()[:, None] * frequencies[None]
    embedding = torch.cat([angles.sin(), angles.cos()], dim=1)
    return F.pad(embedding, (0, channels - 2 * half))


class NIN(nn.Module):
    """A 1x1 convolution as a matrix over channels; ``W`` is (in, out)."""

    def __init__(self, channels: int, scale: float) -> None:
        super().__init__()
        self.W = nn.Parameter(fan_average_(torch.empty(channels, channels), scale, channels, channels))
        self.b = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.W.t()[:, :, None, None], self.b)


class Attention(nn.Module):
    """Single-head attention over all positions, (x + h) / sqrt(2)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.GroupNorm_0 = group_norm(channels)
        self.NIN_0, self.NIN_1, self.NIN_2 = (NIN(channels, 0.1) for _ in range(3))
        self.NIN_3 = NIN(channels, 0.0)

    def forward(self, x: Tensor) -> Tensor:
        h = self.GroupNorm_0(x)
        query, key, value = (layer(h).flatten(2).transpose(1, 2) for layer in (self.NIN_0, self.NIN_1, self.NIN_2))
        h = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(x.shape)
        return (x + self.NIN_3(h)) * SKIP_RESCALE


class Block(nn.Module):
    """Residual block that adds the time embedding and may halve (``down``) or double (``up``) its input."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        time_channels: int,
        dropout: float,
        *,
        up: bool = False,
        down: bool = False,
        local: bool = False,
    ) -> None:
        super().__init__()
        self.up, self.down = up, down
        self.GroupNorm_0 = normalisation(in_channels, local)
        self.Conv_0 = conv(in_channels, out_channels, 3)
        self.Dense_0 = dense(time_channels, out_channels)
        self.GroupNorm_1 = normalisation(out_channels, local)
        self.Dropout_0 = nn.Dropout(dropout)
        self.Conv_1 = conv(out_channels, out_channels, 3, scale=0.0)
        self.Conv_2 = conv(in_channels, out_channels, 1) if in_channels != out_channels or up or down else None

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        h = self._resample(F.silu(self.GroupNorm_0(x)))
        h = self.Conv_0(h) + self.Dense_0(F.silu(time))[:, :, None, None]
        h = self.Conv_1(self.Dropout_0(F.silu(self.GroupNorm_1(h))))
        x = self._resample(x)
        return ((x if self.Conv_2 is None else self.Conv_2(x)) + h) * SKIP_RESCALE

    def _resample(self, x: Tensor) -> Tensor:
        if self.down:
            return F.avg_pool2d(x, 2)
        return F.interpolate(x, scale_factor=2.0, mode="nearest") if self.up else x
