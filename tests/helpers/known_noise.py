"""Residual noise of known spread, tails, displacement and correlation."""

from __future__ import annotations

import torch
from torch import Tensor

from degflow_aug.degradations.noise.residual_noise import ResidualNoise

CONTRASTS = torch.tensor([0.002, 0.2])


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def kernel() -> Tensor:
    """Green alone is smooth along rows; red and blue share half of their variance; all have unit spread."""
    filters = torch.zeros(3, 3, 3, 3)
    filters[0, 0, 1, 1] = 1
    filters[1, 1, 1, :2] = 0.5**0.5
    filters[2, 2, 1, 1] = filters[2, 0, 1, 1] = 0.5**0.5
    return filters


def bell(side: int = 7, width: float = 1.5) -> Tensor:
    """A smooth filter of unit square sum."""
    profile = torch.exp(-((torch.arange(side) - side // 2.0) ** 2) / (2 * width**2))
    filters = profile[:, None] * profile
    return filters / filters.square().sum().sqrt()


def noise(
    scales: tuple[float, ...] = (2.0, 4.0),
    *,
    offset: float = 0.0,
    shift: float = 0.0,
    focus: float = 0.0,
    tail: float = 0.0,
    grain: float = 0.0,
) -> ResidualNoise:
    """0.01 in flat areas and 0.05 at a contrast of 0.2 at the first scale, twice that at the second; and as asked.

    ``shift`` and ``focus`` are deviations of the coefficients of all channels together, ``tail`` that of the logarithm
    of the scale.
    """
    tables = torch.zeros(len(scales), 3, 2, 3)
    for index in range(len(scales)):
        tables[index, 0] = torch.tensor([0.01, 0.03, 0.05]) * (index + 1)
        tables[index, 1], tables[index, 2] = offset, grain
    fields = torch.zeros(len(scales), 4, 3, 3, 7, 7)
    fields[:, 0] = torch.eye(3)[:, :, None, None] * bell()
    fields[:, 1:3, :, 0], fields[:, 3, :, 0] = shift * bell(), focus * bell()
    kernels, tails = kernel().expand(len(scales), -1, -1, -1, -1), tail * bell().expand(len(scales), 1, 1, -1, -1)
    return ResidualNoise(torch.tensor(scales), CONTRASTS, tables, kernels, fields, tails)


def drawn(source: ResidualNoise, lr: Tensor, scale: float = 2.0, seed: int = 0) -> Tensor:
    return source.sample(lr, torch.full((len(lr),), scale), seeded(seed))
