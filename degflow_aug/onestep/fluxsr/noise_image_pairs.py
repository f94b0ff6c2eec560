"""FLUX's own trajectories for FluxSR: noise, the latents that it leads to, and the image that they decode to."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from degflow_aug.onestep.networks.backbones import pack, unpack
from degflow_aug.onestep.networks.packages import in_one_line, need_packages

PROMPTS = (
    "a photo of a city street with shops, people and signs",
    "a photo of a brick house with a tiled roof and trees",
    "a close-up photo of a face with fine skin and hair",
    "a photo of a bookshelf full of books with readable titles",
    "a photo of a meadow with grass, flowers and insects",
    "a photo of a market with fruit and vegetables",
    "a photo of a cat with detailed fur on a knitted blanket",
    "a photo of a mountain landscape with rocks and a lake",
    "a photo of a printed page with small text and a drawing",
    "a photo of a bridge with steel beams and cables",
    "a photo of woven cloth with a regular pattern",
    "a photo of a harbour with boats, ropes and nets",
)
"""Ours; the paper does not publish its prompts."""


@dataclass(frozen=True)
class Trajectory:
    """Ends of one flow of FLUX: noise and clean latents (16, h, w) in float32, the image (3, H, W) in [0, 1]."""

    noise: Tensor
    latents: Tensor
    image: Tensor


def load_pipeline(pretrained: str, device: torch.device, dtype: torch.dtype) -> Any:
    """FLUX.1 as diffusers runs it.

    Raises:
        ValueError: no extra, or nothing there.
    """
    need_packages("FLUX's trajectories")
    from diffusers import FluxPipeline

    try:
        # Versions of diffusers do not agree on the name of this argument, and the new ones warn.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            pipeline = FluxPipeline.from_pretrained(pretrained, torch_dtype=dtype).to(device)
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(f"expected FLUX.1 of diffusers at {pretrained}, got {in_one_line(error)}") from None
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@torch.no_grad()
def trajectory(pipeline: Any, prompt: str, size: int, steps: int, guidance: float, seed: int) -> Trajectory:
    """Follow the flow once, from noise of this seed.

    Args:
        pipeline: of :func:`load_pipeline`.
        prompt: what to show.
        size: side of the image, a multiple of 16.
        steps: of the pipeline's Euler solver.
        guidance: FLUX's own embedded guidance.
        seed: of the noise, which is drawn on the CPU and so the same on every machine.
    """
    cells = size // pipeline.vae_scale_factor
    channels = pipeline.transformer.config.in_channels // 4
    noise = torch.randn(1, channels, cells, cells, generator=torch.Generator().manual_seed(seed))
    weights = pipeline.transformer
    ends = pipeline(
        prompt,
        height=size,
        width=size,
        num_inference_steps=steps,
        guidance_scale=guidance,
        latents=pack(noise).to(weights.device, weights.dtype),
        output_type="latent",
    ).images
    latents = unpack(ends.float(), cells, cells)
    config = pipeline.vae.config
    decoded = pipeline.vae.decode(
        (latents / config.scaling_factor + (config.shift_factor or 0)).to(pipeline.vae.dtype)
    ).sample
    return Trajectory(noise[0], latents[0].cpu(), ((decoded[0].float() + 1) / 2).clamp(0, 1).cpu())


def seeds_and_prompts(count: int, prompts: tuple[str, ...], seed: int) -> Iterator[tuple[int, int, str]]:
    """Number, seed and prompt of each of ``count`` samples; prompts take turns."""
    for number in range(count):
        yield number, seed * 1_000_003 + number, prompts[number % len(prompts)]
