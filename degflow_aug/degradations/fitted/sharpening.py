"""Sharpening on the LR grid, as a kernel on the HR grid."""

from __future__ import annotations

import math

import torch
from torch import Tensor

TAPS = 7
"""LR pixels a side over which a camera's sharpening reaches."""


def kernel_side(scale: float) -> int:
    """Side of the kernels that hold sharpening at scales up to ``scale``: its taps, and the spline's reach beyond."""
    return 2 * (math.ceil(TAPS // 2 * scale) + 1) + 1


def sharpening_kernels(taps: Tensor, scales: Tensor, side: int) -> Tensor:
    """Taps on the LR grid, each at its place on the HR grid, s pixels apart.

    S(x) = sum_n q_n c(x_1 - s n_1) c(x_2 - s n_2), with c the cubic convolution spline (Keys 1981, a = -1/2): views are
    smooth enough for it, because the camera's blur has taken what an LR pixel cannot hold.

    Args:
        taps: (B, 3, t, t), t odd.
        scales: (B,).
        side: m, odd; what lies beyond is cut off.

    Returns:
        (B, 3, m, m) of sum 1.
    """
    places = torch.arange(side, device=taps.device) - side // 2
    numbers = torch.arange(taps.shape[-1], device=taps.device) - taps.shape[-1] // 2
    spread = cubic(places[None, :, None] - scales.to(taps)[:, None, None] * numbers)[:, None]
    kernels = spread @ taps @ spread.transpose(-2, -1)
    return kernels / kernels.sum((-2, -1), keepdim=True)


def cubic(distance: Tensor) -> Tensor:
    """The cubic convolution spline, 1 at 0, 0 at all other integers and beyond 2."""
    x = distance.abs()
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return torch.where(x < 1, near, torch.where(x < 2, far, torch.zeros_like(x)))
