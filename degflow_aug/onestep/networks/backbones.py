"""The denoisers of Stable Diffusion and FLUX behind one call: latents and a time in, the prediction out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from degflow_aug.onestep.networks import lora


class UNetBackbone(nn.Module):
    """UNet of Stable Diffusion (SD-Turbo, SD 2.1); predicts noise, or a velocity once it is trained to (FlowSR).

    Args:
        unet: diffusers' UNet2DConditionModel.
        alpha_bars: (1000,) signal powers of the noise schedule, falling; entry 0 is nearly clean.
        predicts: epsilon or v_prediction, as the schedule's configuration says.
    """

    alpha_bars: Tensor
    tile = 64
    """Side of a tile in latent cells, as OMGSR takes it."""

    def __init__(self, unet: Any, alpha_bars: Tensor, predicts: str = "epsilon") -> None:
        super().__init__()
        self.model, self.predicts = unet, predicts
        self.register_buffer("alpha_bars", alpha_bars, persistent=False)
        self.multiple = 2 ** (len(unet.config.block_out_channels) - 1)

    def forward(self, latents: Tensor, times: Tensor, prompt: dict[str, Tensor]) -> Tensor:
        """(B, 4, h, w), steps (B,) in 0..999 -> (B, 4, h, w); sides multiples of ``multiple``."""
        states = prompt["embeds"].expand(len(latents), -1, -1)
        wanted = self.model.dtype
        return self.model(latents.to(wanted), times, encoder_hidden_states=states.to(wanted)).sample.float()

    def encoder_features(self, latents: Tensor, times: Tensor, prompt: dict[str, Tensor]) -> list[Tensor]:
        """What the blocks of the encoder and the middle make of (B, 4, h, w): a feature map of each, finest first.

        Never checkpointed: the LoRA with which this is called may not be there any more on the way back.
        """
        with without_checkpointing(self.model):
            return self._encoder_features(latents, times, prompt)

    def _encoder_features(self, latents: Tensor, times: Tensor, prompt: dict[str, Tensor]) -> list[Tensor]:
        unet, wanted = self.model, self.model.dtype
        states = prompt["embeds"].expand(len(latents), -1, -1).to(wanted)
        embedding = unet.time_embedding(unet.time_proj(times).to(wanted))
        sample, features = unet.conv_in(latents.to(wanted)), []
        for block in (*unet.down_blocks, unet.mid_block):
            attends = getattr(block, "has_cross_attention", False)
            found = block(sample, embedding, **({"encoder_hidden_states": states} if attends else {}))
            sample = found[0] if isinstance(found, tuple) else found
            features.append(sample.float())
        return features

    def encoder_channels(self) -> list[int]:
        """Channels of :meth:`encoder_features`."""
        widths = list(self.model.config.block_out_channels)
        return [*widths, widths[-1]]

    def add_lora(self, rank: int, feed_forward: bool) -> None:
        """LoRA of OMGSR-S, or of FlowSR with its feed-forward layers."""
        lora.add_lora(self.model, rank, lora.UNET_WITH_FEED_FORWARD if feed_forward else lora.UNET)


class FluxBackbone(nn.Module):
    """Transformer of FLUX.1; predicts the velocity from data at time 0 to noise at time 1.

    Args:
        transformer: diffusers' FluxTransformer2DModel.
    """

    tile = 128
    multiple = 2

    def __init__(self, transformer: Any) -> None:
        super().__init__()
        self.model = transformer

    def forward(self, latents: Tensor, times: Tensor, prompt: dict[str, Tensor]) -> Tensor:
        """(B, 16, h, w), times (B,) in [0, 1] -> (B, 16, h, w); h and w even. Positions are those of these latents."""
        count, wanted = len(latents), self.model.dtype
        height, width = latents.shape[-2:]
        embeds = prompt["embeds"].expand(count, -1, -1).to(wanted)
        guidance = torch.ones(count, device=latents.device) if self.model.config.guidance_embeds else None
        packed = self.model(
            hidden_states=pack(latents).to(wanted),
            timestep=times.to(wanted),
            guidance=guidance,
            encoder_hidden_states=embeds,
            pooled_projections=prompt["pooled"].expand(count, -1).to(wanted),
            txt_ids=torch.zeros(embeds.shape[1], 3, device=latents.device),
            img_ids=positions(height // 2, width // 2, latents.device),
            return_dict=False,
        )[0]
        return unpack(packed.float(), height, width)

    def blocks(self) -> list[nn.Module]:
        """Double and single blocks, whose second output are the image's tokens."""
        return [*self.model.transformer_blocks, *self.model.single_transformer_blocks]

    def add_lora(self, rank: int, feed_forward: bool) -> None:
        """LoRA of OMGSR-F."""
        lora.add_lora(self.model, rank, lora.FLUX)


@contextmanager
def without_checkpointing(model: Any) -> Iterator[None]:
    """Keep activations inside the block, also where checkpointing is on."""
    was_on = model.is_gradient_checkpointing
    if was_on:
        model.disable_gradient_checkpointing()
    try:
        yield
    finally:
        if was_on:
            model.enable_gradient_checkpointing()


def pack(latents: Tensor) -> Tensor:
    """(B, C, h, w) -> (B, h w / 4, 4 C): every 2x2 square of cells is a token."""
    count, channels, height, width = latents.shape
    squares = latents.reshape(count, channels, height // 2, 2, width // 2, 2)
    return squares.permute(0, 2, 4, 1, 3, 5).reshape(count, height * width // 4, 4 * channels)


def unpack(tokens: Tensor, height: int, width: int) -> Tensor:
    """The way back of :func:`pack`, to (B, C, height, width)."""
    count, _, size = tokens.shape
    squares = tokens.reshape(count, height // 2, width // 2, size // 4, 2, 2)
    return squares.permute(0, 3, 1, 4, 2, 5).reshape(count, size // 4, height, width)


def positions(rows: int, columns: int, device: torch.device) -> Tensor:
    """(rows columns, 3): 0, row and column of every token."""
    row, column = torch.meshgrid(*(torch.arange(count, device=device) for count in (rows, columns)), indexing="ij")
    return torch.stack((torch.zeros_like(row), row, column), dim=-1).reshape(-1, 3).float()
