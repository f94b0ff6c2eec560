"""A tiny VAE taught for seconds to give photographs back, so that training on its latents has something to show."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from degflow_aug.data.tensors import to_tensor
from degflow_aug.files.image_file import read_image

_KL_WEIGHT = 1e-4


def teach_vaes(backbones: Path, images: Path, steps: int) -> None:
    """Have the VAEs of both backbones give photographs back, so that latents say something of images."""
    crops = read_folder(images / "hr") * 2 - 1
    for name in ("sd", "flux"):
        teach_autoencoder(backbones / name / "vae", crops, steps)


def read_folder(folder: Path) -> Tensor:
    """All images of a folder, which are of one size, (N, 3, H, W) in [0, 1]."""
    return torch.stack([to_tensor(read_image(file)) for file in sorted(folder.glob("*.png"))])


def teach_autoencoder(folder: str | Path, images: Tensor, steps: int, side: int = 32, seed: int = 0) -> float:
    """Train the VAE in ``folder`` on crops, and write it back.

    Args:
        folder: a VAE of diffusers, as in :mod:`helpers.tiny_backbones`.
        images: (N, 3, H, W) in [-1, 1].
        steps: of AdamW, eight crops each.
        side: of the crops.
        seed: of crops and noise.

    Returns:
        The mean square error of the last ten steps.
    """
    from diffusers import AutoencoderKL

    vae = AutoencoderKL.from_pretrained(folder).train()
    optimizer = torch.optim.AdamW(vae.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    generator = torch.Generator().manual_seed(seed)
    errors = []
    for _ in range(steps):
        crops = _crops(images, 8, side, generator)
        posterior = vae.encode(crops).latent_dist
        error = F.mse_loss(vae.decode(posterior.sample(generator)).sample, crops)
        optimizer.zero_grad()
        (error + _KL_WEIGHT * posterior.kl().mean() / crops[0].numel()).backward()
        optimizer.step()
        schedule.step()
        errors.append(float(error.detach()))
    # Latents of unit spread, as diffusion models want them and publishers of VAEs measure it.
    with torch.no_grad():
        spread = float(vae.eval().encode(_crops(images, 32, side, generator)).latent_dist.mode().std())
    vae.register_to_config(scaling_factor=1 / spread)
    vae.save_pretrained(folder)
    return sum(errors[-10:]) / 10


def _crops(images: Tensor, count: int, side: int, generator: torch.Generator) -> Tensor:
    chosen = []
    for _ in range(count):
        number, top, left = (
            int(torch.randint(limit, (1,), generator=generator))
            for limit in (len(images), images.shape[-2] - side + 1, images.shape[-1] - side + 1)
        )
        chosen.append(images[number, :, top : top + side, left : left + side])
    return torch.stack(chosen)
