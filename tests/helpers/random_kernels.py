"""Random fitted kernels."""

from __future__ import annotations

import torch

from degflow_aug.degradations.fitted.fitted_kernel import FittedKernel

KNOTS = (1.0, 2.0, 4.0)


def random_kernel(seed: int = 0, knots: tuple[float, ...] = KNOTS, side: int = 9) -> FittedKernel:
    """Random blurs that widen with the scale."""
    generator = torch.Generator().manual_seed(seed)
    kernels = torch.zeros(len(knots), 3, side, side)
    for index in range(1, len(knots)):
        spot = torch.rand(3, 2 * index + 1, 2 * index + 1, generator=generator) + 0.1
        inner = slice(side // 2 - index, side // 2 + index + 1)
        kernels[index, :, inner, inner] = spot / spot.sum((-2, -1), keepdim=True)
    kernels[0, :, side // 2, side // 2] = 1
    return FittedKernel(torch.tensor(knots), kernels)
