"""Building blocks of the residual autoencoder; key names are those of the official release."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ChannelNorm(nn.Module):
    """Layer norm over the channels of each pixel (eps 1e-5, biased variance)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ResidualBlock(nn.Module):
    """x + conv(gelu(norm(conv(gelu(norm(x)))))), 3x3 convolutions without bias."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm0 = ChannelNorm(channels)
        self.conv0 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm1 = ChannelNorm(channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv0(F.gelu(self.norm0(x)))
        return x + self.conv1(F.gelu(self.norm1(h)))


class ScaledBlocks(nn.Module):
    """One or two residual blocks behind learned gates that start at zero: y = x + beta RB0(x), y + gamma RB1(y)."""

    def __init__(self, channels: int, blocks: int) -> None:
        super().__init__()
        self.RB1: ResidualBlock | None = None
        self.beta = nn.Parameter(torch.zeros(1, channels, 1, 1))
        if blocks == 2:
            self.gamma = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.RB0 = ResidualBlock(channels)
        if blocks == 2:
            self.RB1 = ResidualBlock(channels)

    def blocks(self, x: Tensor) -> Tensor:
        y = torch.addcmul(x, self.beta, self.RB0(x))
        return y if self.RB1 is None else torch.addcmul(y, self.gamma, self.RB1(y))


class EncoderBlock(ScaledBlocks):
    """Halves the image where ``down`` is set, then the gated blocks."""

    def __init__(self, in_channels: int, out_channels: int, *, down: bool, blocks: int) -> None:
        super().__init__(out_channels, blocks)
        self.down = nn.Conv2d(in_channels, out_channels, 3, stride=2, padding=1) if down else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(self.down(x))


class DecoderBlock(ScaledBlocks):
    """The gated blocks, then doubles the image where ``up`` is set."""

    def __init__(self, in_channels: int, out_channels: int, *, up: bool, blocks: int) -> None:
        super().__init__(in_channels, blocks)
        self.up: nn.Module = nn.Identity()
        if up:
            self.up = nn.Sequential(
                nn.Conv2d(in_channels, 4 * in_channels, 1), nn.PixelShuffle(2), nn.Conv2d(in_channels, out_channels, 1)
            )

    def forward(self, x: Tensor) -> Tensor:
        return self.up(self.blocks(x))
