"""Residual autoencoder (RAE): a latent for how an image was degraded, a decoder that sees the HR image's features.

Key names are those of the official release, so that its checkpoints load as they are (bundles/official.py
converts them).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from degflow_aug.archs.generator.rae_layers import Decoder, Encoder, HRFeatures

MOST_UNSHUFFLE = 64
MOST_LEVELS = 8


def _margins(unshuffle: int, levels: int, encoder_blocks: int, decoder_blocks: int) -> tuple[int, int]:
    """Pixels on each side that an encoded and a decoded pixel depend on, rounded up to whole latents."""
    top = 2 ** (levels - 1)
    # Two 3x3 convolutions a block, one before each halving, the stem, and the one that makes the latent.
    encoder = 1 + 2 * encoder_blocks * (2 * top - 1) + (top - 1) + top
    decoder = top + 2 * decoder_blocks * (2 * top - 1) + 1
    # Features of a tile are wrong as far as the encoder's field up to their level reaches; the last term is a pixel at
    # the edge of the coarse one that it is made from.
    features = 1 + 2 * encoder_blocks * (top - 1) + (top // 2 - 1)
    around = features + 2 * decoder_blocks * (top - 1) + 1 + top // 2
    multiple = unshuffle * top
    in_latents = [-(-reach * unshuffle // multiple) for reach in (encoder, max(decoder, around))]
    return in_latents[0] * multiple, in_latents[1] * multiple


class ResidualAutoencoder(nn.Module):
    """DegFlow's stage 1 network; the defaults are the official release.

    Args:
        base_channels: width of the finest level; 128 in the official release.
        latent_channels: channels of the latent, 4 in the official release, at 1/``multiple`` of the image's size.
        residual: the decoder's output is added to the HR image (not in the official graph).
        anchored: it is added to the fitted camera's view in place of the HR image, which whoever decodes puts into the
            features (:meth:`HRFeatures.on`): the networks learn what that leaves over. Needs ``residual``.
        unshuffle: side u of the squares of pixels that stem and head turn into channels, so that no convolution runs
            at full resolution; 1 for none.
        multipliers: width of each level in units of ``base_channels``, finest first.
        encoder_blocks, decoder_blocks: residual blocks of a level, 1 or 2.

    Attributes:
        multiple: pixels per latent, u 2^(levels - 1); 8 in the official release.
        encoder_margin, decoder_margin: pixels on each side that an encoded or decoded pixel depends on, rounded up to
            whole latents.
        condition_channels: of what :func:`degflow_aug.archs.generator.ncsnpp_arch.hr_condition` makes of its features.

    The buffers ``latent_mean`` and ``latent_std`` (c,) hold the latents' statistics over the training data once
    :meth:`track_latents` has seen them; the flow runs on standardised latents. Untracked, they are the identity.

    Raises:
        ValueError: a width below 1, fewer than two levels, or another number of blocks.
    """

    latent_mean: Tensor
    latent_std: Tensor

    def __init__(
        self,
        *,
        base_channels: int = 128,
        latent_channels: int = 4,
        residual: bool = False,
        anchored: bool = False,
        unshuffle: int = 1,
        multipliers: Sequence[int] = (1, 1, 2, 4),
        encoder_blocks: int = 2,
        decoder_blocks: int = 2,
    ) -> None:
        super().__init__()
        if base_channels < 1 or latent_channels < 1:
            raise ValueError(f"expected widths of at least 1, got base {base_channels} and latent {latent_channels}")
        if unshuffle < 1 or len(multipliers) < 2 or min(multipliers) < 1:
            raise ValueError(
                "expected an unshuffle of at least 1 and two or more multipliers of at least 1, got "
                f"{unshuffle} and {list(multipliers)}"
            )
        if unshuffle > MOST_UNSHUFFLE or len(multipliers) > MOST_LEVELS:
            raise ValueError(f"expected an unshuffle of at most {MOST_UNSHUFFLE} and at most {MOST_LEVELS} multipliers")
        if anchored and not residual:
            raise ValueError("expected an anchored autoencoder to be residual, got one whose output adds to nothing")
        if {encoder_blocks, decoder_blocks} - {1, 2}:
            raise ValueError(f"expected one or two blocks a level, got {encoder_blocks} and {decoder_blocks}")
        self.spec = {
            "base_channels": base_channels,
            "latent_channels": latent_channels,
            "residual": residual,
            "anchored": anchored,
            "unshuffle": unshuffle,
            "multipliers": list(multipliers),
            "encoder_blocks": encoder_blocks,
            "decoder_blocks": decoder_blocks,
        }
        widths = [base_channels * multiplier for multiplier in multipliers]
        self.anchored = anchored
        self.multiple = unshuffle * 2 ** (len(widths) - 1)
        self.condition_channels = widths[-1] + 4 * widths[-2]
        self.encoder = Encoder(widths, latent_channels, unshuffle=unshuffle, blocks=encoder_blocks)
        self.decoder = Decoder(widths, latent_channels, unshuffle=unshuffle, blocks=decoder_blocks, residual=residual)
        self.encoder_margin, self.decoder_margin = _margins(unshuffle, len(widths), encoder_blocks, decoder_blocks)
        self.register_buffer("latent_mean", torch.zeros(latent_channels))
        self.register_buffer("latent_std", torch.ones(latent_channels))

    def encode(self, image: Tensor) -> tuple[Tensor, HRFeatures]:
        """Encode (B, 3, H, W) in [-1, 1], sides in multiples of m = ``multiple``: latent (B, c, H/m, W/m), features.

        Raises:
            ValueError: a side is no such multiple.
        """
        if image.shape[-1] % self.multiple or image.shape[-2] % self.multiple:
            raise ValueError(
                f"expected image sides in multiples of {self.multiple}, got {tuple(image.shape[-2:])}; pad the image"
            )
        return self.encoder(image)

    def decode(self, latent: Tensor, features: HRFeatures) -> Tensor:
        """Decode a latent (B, c, H/m, W/m) with HR's features: view (B, 3, H, W), about [-1, 1], not clamped."""
        return self.decode_projected(latent, self.decoder.project(features))

    def decode_projected(self, latent: Tensor, projected: HRFeatures) -> Tensor:
        """:meth:`decode` with ``decoder.project(features)``, which serves every latent of the same HR image."""
        return self.decoder(latent, projected)

    def forward(
        self, image: Tensor, hr: Tensor, noise: float = 0.0, base: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Stage 1: encode ``image``, decode with the features of ``hr`` -> (view, latent).

        ``base`` (B, 3, H, W) is what the output of an anchored autoencoder is added to.

        With ``noise`` > 0 the decoder gets latent + noise u n, u uniform per sample and n normal, so that it stays
        right for latents near those it was shown; the returned latent is the clean one.
        """
        latent, _ = self.encode(image)
        features = self.encode(hr)[1].on(base)
        if noise:
            level = noise * torch.rand(latent.shape[0], 1, 1, 1, device=latent.device)
            return self.decode(latent + level * torch.randn_like(latent), features), latent
        return self.decode(latent, features), latent

    def standardise(self, latent: Tensor) -> Tensor:
        """Scale latents to zero mean and unit spread per channel, for the flow."""
        return (latent - self.latent_mean[:, None, None]) / self.latent_std[:, None, None]

    def unstandardise(self, latent: Tensor) -> Tensor:
        """Undo :meth:`standardise`."""
        return latent * self.latent_std[:, None, None] + self.latent_mean[:, None, None]

    @torch.no_grad()
    def track_latents(self, latent: Tensor, momentum: float) -> None:
        """Move the statistics that :meth:`standardise` uses towards those of a batch of latents (B, c, h, w)."""
        flat = latent.float().transpose(0, 1).flatten(1)
        square = (self.latent_std.square() + self.latent_mean.square()).lerp(flat.square().mean(1), momentum)
        self.latent_mean.lerp_(flat.mean(1), momentum)
        self.latent_std.copy_((square - self.latent_mean.square()).clamp_min(1e-12).sqrt())
