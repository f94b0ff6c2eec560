"""Layers of the residual autoencoder: its blocks, and both halves made of them.

The encoder makes a latent and features of an image, the decoder a view of a latent and features. Key names are those of
the official release.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

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


class HRFeatures(NamedTuple):
    """What the decoder and the velocity network see of the HR image (B, 3, H, W).

    Attributes:
        levels: from the finest to that which the latent is read from: (B, w_i, H / (u 2^i), W / (u 2^i)), with w_i
            the width of level i and u the pixel-unshuffle of the stem.
        image: what a residual output adds to: the image itself, or what :meth:`on` has put there.
    """

    levels: tuple[Tensor, ...]
    image: Tensor

    def on(self, base: Tensor | None) -> HRFeatures:
        """The same features for an output that adds to ``base`` (B, 3, H, W) in [-1, 1]; none for the image itself."""
        return self if base is None else self._replace(image=base)


class Encoder(nn.Module):
    """Image (B, 3, H, W) in [-1, 1] -> latent (B, c, H / m, W / m), m = u 2^(levels - 1), and the image's features."""

    def __init__(self, widths: Sequence[int], latent_channels: int, *, unshuffle: int, blocks: int) -> None:
        super().__init__()
        self.unshuffle, self.levels = unshuffle, len(widths)
        self.stem = nn.Conv2d(3 * unshuffle**2, widths[0], 3, padding=1)
        for level, width in enumerate(widths):
            before = widths[max(level - 1, 0)]
            self.add_module(f"EB{level}", EncoderBlock(before, width, down=level > 0, blocks=blocks))
        self.conv_out = nn.Conv2d(widths[-1], latent_channels, 3, padding=1)

    def forward(self, image: Tensor) -> tuple[Tensor, HRFeatures]:
        x = self.stem(F.pixel_unshuffle(image, self.unshuffle) if self.unshuffle > 1 else image)
        levels = []
        for level in range(self.levels):
            x = getattr(self, f"EB{level}")(x)
            levels.append(x)
        return self.conv_out(x), HRFeatures(tuple(levels), image)


class Decoder(nn.Module):
    """Latent (B, c, H / m, W / m) and what :meth:`project` made of HR features -> view (B, 3, H, W), unbounded."""

    def __init__(
        self, widths: Sequence[int], latent_channels: int, *, unshuffle: int, blocks: int, residual: bool
    ) -> None:
        super().__init__()
        self.unshuffle, self.levels, self.residual = unshuffle, len(widths), residual
        self.conv_in = nn.Conv2d(latent_channels, widths[-1], 3, padding=1)
        for index, level in enumerate(reversed(range(self.levels))):
            out = widths[max(level - 1, 0)]
            self.add_module(f"DB{index}", DecoderBlock(widths[level], out, up=level > 0, blocks=blocks))
            if level:
                self.add_module(f"conv_cat{level - 1}", nn.Conv2d(2 * out, out, 1))
        last = nn.Conv2d(widths[0], 3 * unshuffle**2, 3, padding=1)
        if residual:
            # Starting as the identity leaves training only the degradation to learn, not the copying.
            for value in last.parameters():
                nn.init.zeros_(value)
        self.refine = nn.Sequential(nn.GELU(), last)

    def join(self, level: int) -> nn.Conv2d:
        """The convolution that joins HR features of that level to the path from the latent."""
        found = getattr(self, f"conv_cat{level}")
        assert isinstance(found, nn.Conv2d)
        return found

    def project(self, features: HRFeatures) -> HRFeatures:
        """The share of HR features in the 1x1 convolutions that join them to the path from the latent.

        W [x, f] + b = W_x x + (W_f f + b): the second term is that of every latent of the same HR image.
        """
        levels = []
        for level, feature in enumerate(features.levels[:-1]):
            join = self.join(level)
            levels.append(F.conv2d(feature, join.weight[:, -feature.shape[1] :], join.bias))
        return HRFeatures(tuple(levels), features.image)

    def forward(self, latent: Tensor, projected: HRFeatures) -> Tensor:
        """The view of a latent; see the class."""
        x = self.conv_in(latent)
        for index, level in enumerate(reversed(range(self.levels))):
            x = getattr(self, f"DB{index}")(x)
            if level:
                x = F.conv2d(x, self.join(level - 1).weight[:, : x.shape[1]]) + projected.levels[level - 1]
        out = self.refine(x)
        if self.unshuffle > 1:
            out = F.pixel_shuffle(out, self.unshuffle)
        return out + projected.image if self.residual else out
