"""Residual autoencoder (RAE): a latent for how an image was degraded, a decoder that sees the HR image's features.

Key names are those of the official release, so that its checkpoints load as they are (bundle.py converts them).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class HRFeatures(NamedTuple):
    """What the decoder and the velocity network see of the HR image (B, 3, H, W); b is the base width.

    Attributes:
        full: (B, b, H, W).
        half: (B, b, H/2, W/2).
        quarter: (B, 2b, H/4, W/4).
        eighth: (B, 4b, H/8, W/8), what the latent is read from.
        image: the image itself, which a residual output adds to.
    """

    full: Tensor
    half: Tensor
    quarter: Tensor
    eighth: Tensor
    image: Tensor


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
    """Two residual blocks behind learned gates: y = x + beta RB0(x), then y + gamma RB1(y); gates start at zero."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.beta = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.gamma = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.RB0 = ResidualBlock(channels)
        self.RB1 = ResidualBlock(channels)

    def blocks(self, x: Tensor) -> Tensor:
        y = x + self.beta * self.RB0(x)
        return y + self.gamma * self.RB1(y)


class EncoderBlock(ScaledBlocks):
    """Halves the image where ``down`` is set, then the gated blocks."""

    def __init__(self, in_channels: int, out_channels: int, down: bool) -> None:
        super().__init__(out_channels)
        self.down = nn.Conv2d(in_channels, out_channels, 3, stride=2, padding=1) if down else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(self.down(x))


class DecoderBlock(ScaledBlocks):
    """The gated blocks, then doubles the image where ``up`` is set."""

    def __init__(self, in_channels: int, out_channels: int, up: bool) -> None:
        super().__init__(in_channels)
        self.up: nn.Module = nn.Identity()
        if up:
            self.up = nn.Sequential(
                nn.Conv2d(in_channels, 4 * in_channels, 1), nn.PixelShuffle(2), nn.Conv2d(in_channels, out_channels, 1)
            )

    def forward(self, x: Tensor) -> Tensor:
        return self.up(self.blocks(x))


class Encoder(nn.Module):
    """Image (B, 3, H, W) in [-1, 1] -> latent (B, c, H/8, W/8) and the image's features."""

    def __init__(self, base_channels: int, latent_channels: int) -> None:
        super().__init__()
        b = base_channels
        self.stem = nn.Conv2d(3, b, 3, padding=1)
        self.EB0 = EncoderBlock(b, b, down=False)
        self.EB1 = EncoderBlock(b, b, down=True)
        self.EB2 = EncoderBlock(b, 2 * b, down=True)
        self.EB3 = EncoderBlock(2 * b, 4 * b, down=True)
        self.conv_out = nn.Conv2d(4 * b, latent_channels, 3, padding=1)

    def forward(self, image: Tensor) -> tuple[Tensor, HRFeatures]:
        full = self.EB0(self.stem(image))
        half = self.EB1(full)
        quarter = self.EB2(half)
        eighth = self.EB3(quarter)
        return self.conv_out(eighth), HRFeatures(full, half, quarter, eighth, image)


class Decoder(nn.Module):
    """Latent (B, c, H/8, W/8) and HR features -> view (B, 3, H, W), unbounded."""

    def __init__(self, base_channels: int, latent_channels: int, residual: bool) -> None:
        super().__init__()
        b = base_channels
        self.residual = residual
        self.conv_in = nn.Conv2d(latent_channels, 4 * b, 3, padding=1)
        self.DB0 = DecoderBlock(4 * b, 2 * b, up=True)
        self.conv_cat2 = nn.Conv2d(4 * b, 2 * b, 1)
        self.DB1 = DecoderBlock(2 * b, b, up=True)
        self.conv_cat1 = nn.Conv2d(2 * b, b, 1)
        self.DB2 = DecoderBlock(b, b, up=True)
        self.conv_cat0 = nn.Conv2d(2 * b, b, 1)
        self.DB3 = DecoderBlock(b, b, up=False)
        last = nn.Conv2d(b, 3, 3, padding=1)
        if residual:
            # Starting as the identity leaves training only the degradation to learn, not the copying.
            for value in last.parameters():
                nn.init.zeros_(value)
        self.refine = nn.Sequential(nn.GELU(), last)

    def forward(self, latent: Tensor, features: HRFeatures) -> Tensor:
        x = self.DB0(self.conv_in(latent))
        x = self.DB1(self.conv_cat2(torch.cat([x, features.quarter], 1)))
        x = self.DB2(self.conv_cat1(torch.cat([x, features.half], 1)))
        x = self.DB3(self.conv_cat0(torch.cat([x, features.full], 1)))
        out = self.refine(x)
        return out + features.image if self.residual else out


class ResidualAutoencoder(nn.Module):
    """DegFlow's stage 1 network.

    Args:
        base_channels: width b at full resolution; 128 in the official release.
        latent_channels: channels of the latent, at 1/8 of the image's size.
        residual: the decoder's output is added to the HR image (not in the official graph).

    The buffers ``latent_mean`` and ``latent_std`` (c,) hold the latents' statistics over the training data once
    :meth:`track_latents` has seen them; the flow runs on standardised latents. Untracked, they are the identity.
    """

    multiple = 8
    # Pixels on each side that an encoded or decoded pixel depends on, rounded up to whole latents: 76 and 69.
    encoder_margin, decoder_margin = 80, 72
    latent_mean: Tensor
    latent_std: Tensor

    def __init__(self, *, base_channels: int = 128, latent_channels: int = 4, residual: bool = False) -> None:
        super().__init__()
        if base_channels < 1 or latent_channels < 1:
            raise ValueError(f"expected widths of at least 1, got base {base_channels} and latent {latent_channels}")
        self.spec = {"base_channels": base_channels, "latent_channels": latent_channels, "residual": residual}
        self.encoder = Encoder(base_channels, latent_channels)
        self.decoder = Decoder(base_channels, latent_channels, residual)
        self.register_buffer("latent_mean", torch.zeros(latent_channels))
        self.register_buffer("latent_std", torch.ones(latent_channels))

    def encode(self, image: Tensor) -> tuple[Tensor, HRFeatures]:
        """Image (B, 3, H, W) in [-1, 1], H and W multiples of 8 -> latent (B, c, H/8, W/8) and its features.

        Raises:
            ValueError: a side is no multiple of 8.
        """
        if image.shape[-1] % self.multiple or image.shape[-2] % self.multiple:
            raise ValueError(f"expected image sides in multiples of 8, got {tuple(image.shape[-2:])}; pad the image")
        return self.encoder(image)

    def decode(self, latent: Tensor, features: HRFeatures) -> Tensor:
        """Latent (B, c, H/8, W/8) and the HR image's features -> view (B, 3, H, W), about [-1, 1], not clamped."""
        return self.decoder(latent, features)

    def forward(self, image: Tensor, hr: Tensor, noise: float = 0.0) -> tuple[Tensor, Tensor]:
        """Stage 1: encode ``image``, decode with the features of ``hr`` -> (view, latent).

        With ``noise`` > 0 the decoder gets latent + noise u n, u uniform a sample and n normal, so that it stays right
        for latents near those it was shown; the returned latent is the clean one.
        """
        latent, _ = self.encode(image)
        _, features = self.encode(hr)
        if noise:
            level = noise * torch.rand(latent.shape[0], 1, 1, 1, device=latent.device)
            return self.decode(latent + level * torch.randn_like(latent), features), latent
        return self.decode(latent, features), latent

    def standardise(self, latent: Tensor) -> Tensor:
        """Latent to zero mean and unit spread a channel, what the flow runs on."""
        return (latent - self.latent_mean[:, None, None]) / self.latent_std[:, None, None]

    def unstandardise(self, latent: Tensor) -> Tensor:
        """Inverse of :meth:`standardise`."""
        return latent * self.latent_std[:, None, None] + self.latent_mean[:, None, None]

    @torch.no_grad()
    def track_latents(self, latent: Tensor, momentum: float) -> None:
        """Move the statistics that :meth:`standardise` uses towards those of a batch of latents (B, c, h, w)."""
        flat = latent.float().transpose(0, 1).flatten(1)
        square = (self.latent_std.square() + self.latent_mean.square()).lerp(flat.square().mean(1), momentum)
        self.latent_mean.lerp_(flat.mean(1), momentum)
        self.latent_std.copy_((square - self.latent_mean.square()).clamp_min(1e-12).sqrt())
