"""The law by which a camera's blur kernel changes between the scales at which it was measured."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from degflow_aug.degradations.convolution import fast_length

MAGNITUDE_FLOOR = 0.003
"""Magnitudes of the transfer function below this are noise of the estimate, and have no logarithm to speak of."""
PHASE_FLOOR = 0.05
"""The phase of a transfer function whose magnitude is below this is noise."""


def bracket(knots: Tensor, scales: Tensor) -> Tensor:
    """Index (B,) of the knot below each scale, such that the next knot is above it or equal to it."""
    return (torch.searchsorted(knots, scales, right=True) - 1).clamp(0, knots.numel() - 2)


def residual_weight(low: Tensor, high: Tensor, scales: Tensor) -> Tensor:
    """Share of the upper knot in what a linear kernel leaves unexplained: linear in the spread of the blur.

    (sqrt(s^2 - 1) - sqrt(a^2 - 1)) / (sqrt(b^2 - 1) - sqrt(a^2 - 1)) for 1 <= a <= s <= b. Beside a share linear in s
    it brings pseudo-views nearer to the simulator's truth between all knots, most between 1 and 2 (1.2 dB at 1.5).
    """

    def spread(scale: Tensor) -> Tensor:
        return (scale**2 - 1).clamp_min(0).sqrt()

    return (spread(scales) - spread(low)) / (spread(high) - spread(low))


def interpolate_kernels(knots: Tensor, kernels: Tensor, scales: Tensor) -> Tensor:
    """Blur kernels at any scales between the knots.

    With H_a, H_b the transfer functions at the knots a <= s <= b and w = (s^2 - a^2) / (b^2 - a^2),

        |H_s| = |H_a|^(1 - w) |H_b|^w,    arg H_s = (1 - w) arg H_a + w arg H_b,

    which is exact for Gaussians whose sigma^2 is linear in s^2. Where a magnitude is too small for its logarithm or
    phase to be trusted it is raised to a floor, and what the floor took away is interpolated linearly in w, so that
    the law meets the knots' own kernels exactly.

    Args:
        knots: (K,) ascending scales, K >= 2.
        kernels: (K, C, k, k) point-spread functions with k odd.
        scales: (B,) scales from the first knot to the last.

    Returns:
        (B, C, k, k) kernels of sum 1.
    """
    size = kernels.shape[-1]
    length = fast_length(2 * size)
    transfer = transfer_of(kernels, length)
    magnitude = transfer.abs()
    log_magnitude = magnitude.clamp_min(MAGNITUDE_FLOOR).log()
    phase = torch.where(magnitude >= PHASE_FLOOR, transfer.angle(), torch.zeros_like(magnitude))
    remainder = transfer - torch.polar(log_magnitude.exp(), phase)

    low = bracket(knots, scales)
    weight = ((scales**2 - knots[low] ** 2) / (knots[low + 1] ** 2 - knots[low] ** 2)).view(-1, 1, 1, 1)

    def between(values: Tensor) -> Tensor:
        return (1 - weight) * values[low] + weight * values[low + 1]

    transfer_at = torch.polar(between(log_magnitude).exp(), between(phase)) + between(remainder)
    shift = size // 2
    result = torch.fft.irfft2(transfer_at, s=(length, length)).roll((shift, shift), (-2, -1))[..., :size, :size]
    return result / result.sum((-2, -1), keepdim=True)


def transfer_of(kernels: Tensor, length: int) -> Tensor:
    """Transfer functions (..., length, length // 2 + 1) of kernels (..., k, k) whose centre is taken as the origin."""
    size = kernels.shape[-1]
    padded = F.pad(kernels, (0, length - size, 0, length - size))
    return torch.fft.rfft2(padded.roll((-(size // 2), -(size // 2)), (-2, -1)))
