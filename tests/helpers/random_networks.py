"""Networks with seeded random weights: the official start has gates and last layers at zero, which hides mistakes."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from degflow_aug.archs.generator.ncsnpp_arch import NCSNpp
from degflow_aug.archs.generator.rae_arch import ResidualAutoencoder
from degflow_aug.degradations.noise.residual_noise import ResidualNoise


@torch.no_grad()
def randomise(network: nn.Module, seed: int = 0) -> nn.Module:
    """Fill every parameter: weights by fan-in, gates and biases about 0.2, norms about 1; in evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in network.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if name.endswith(("beta", "gamma")):
            noise = 0.3 * torch.rand(parameter.shape, generator=generator) + 0.1
        elif parameter.ndim == 1:
            noise = 0.2 * noise + float("norm" in name.lower() and name.endswith("weight"))
        else:
            noise = noise / parameter[0].numel() ** 0.5
        parameter.copy_(noise)
    return network.eval()


def random_rae(
    base_channels: int = 4, latent_channels: int = 4, *, residual: bool = False, seed: int = 0, **sizes: Any
) -> ResidualAutoencoder:
    """An RAE whose latents are standardised by other statistics than 0 and 1."""
    rae = ResidualAutoencoder(base_channels=base_channels, latent_channels=latent_channels, residual=residual, **sizes)
    randomise(rae, seed)
    rae.latent_mean.copy_(torch.linspace(-0.5, 0.5, latent_channels))
    rae.latent_std.copy_(torch.linspace(0.5, 2, latent_channels))
    rae.decoder.refine[1].weight.data *= 0.3
    return rae


def random_velocity(
    latent_channels: int = 4,
    *,
    base_channels: int = 8,
    multipliers: tuple[int, ...] = (1, 2),
    blocks: int = 1,
    rae_channels: int = 0,
    seed: int = 1,
) -> NCSNpp:
    """A velocity network, conditioned on the features of an RAE of width ``rae_channels`` where that is not 0."""
    network = NCSNpp(
        latent_channels=latent_channels,
        base_channels=base_channels,
        multipliers=multipliers,
        blocks=blocks,
        condition_channels=12 * rae_channels,
    )
    randomise(network, seed)
    return network


def random_noise(scales: tuple[float, ...] = (2.0, 4.0)) -> ResidualNoise:
    """White noise of 0.02 in flat areas and 0.05 in texture at every scale, without anything smooth."""
    count = len(scales)
    kernels = torch.eye(3)[None, :, :, None, None].expand(count, -1, -1, -1, -1)
    tables = torch.zeros(count, 3, 2, 2)
    tables[:, 0] = torch.tensor([0.02, 0.05])
    still = torch.zeros(count, 4, 3, 3, 1, 1)
    return ResidualNoise(torch.tensor(scales), torch.tensor([0.005, 0.2]), tables, kernels, still, still[:, 0, :1, :1])
