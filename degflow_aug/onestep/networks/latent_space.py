"""Images to latents and back through a frozen VAE of Stable Diffusion or FLUX."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from degflow_aug.onestep.networks.lora import has_lora


class LatentSpace(nn.Module):
    """z = (E(x) - shift) scaling and x = D(z / scaling + shift), with the VAE's own constants.

    Latents are the mode of the posterior and no sample of it: of a trained VAE both are the same to a thousandth, and
    only the mode gives the same image twice (our choice; OMGSR samples).

    Args:
        vae: diffusers' AutoencoderKL; frozen but for a LoRA that its encoder may have.
    """

    def __init__(self, vae: Any) -> None:
        super().__init__()
        self.vae = vae
        self.channels = int(vae.config.latent_channels)
        self.factor = 2 ** (len(vae.config.block_out_channels) - 1)
        self.scaling = float(vae.config.scaling_factor)
        self.shift = float(vae.config.shift_factor or 0)

    def encode(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1], sides multiples of ``factor`` -> (B, C, H / factor, W / factor) in float32."""
        mode = self.vae.encode(images.to(self.vae.dtype)).latent_dist.mode()
        return (mode.float() - self.shift) * self.scaling

    def decode(self, latents: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, 3, h factor, w factor), about [-1, 1], in float32; gradients pass through."""
        return self.vae.decode((latents / self.scaling + self.shift).to(self.vae.dtype)).sample.float()

    @contextmanager
    def without_lora(self) -> Iterator[None]:
        """The encoder as it was published: that of HR images, whose latents LR images shall reach.

        Leave the block before anything goes backward: checkpointing computes again, with the LoRA as it is then.
        """
        if not has_lora(self.vae):
            yield
            return
        self.vae.disable_adapters()
        try:
            yield
        finally:
            self.vae.enable_adapters()

    @torch.no_grad()
    def encode_original(self, images: Tensor) -> Tensor:
        """:meth:`encode` without LoRA and without gradient."""
        with self.without_lora():
            return self.encode(images)
