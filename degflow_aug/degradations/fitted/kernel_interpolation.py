"""The laws by which a camera's blur and sharpening change between the scales at which it was measured.

:func:`interpolate_kernels` is that of one linear kernel, :func:`interpolate_blur` that of the blur of light in a
pipeline. A pipeline's sharpening keeps its taps apart by one LR pixel, see :func:`sharpening_kernels`.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from degflow_aug.degradations.convolution import fast_length

MAGNITUDE_FLOOR = 0.003
"""Magnitudes of the transfer function below this are noise of the estimate, and have no logarithm to speak of."""
PHASE_FLOOR = 0.05
"""The phase of a transfer function whose magnitude is below this is noise."""
WIDENING = 0.5
"""Of a camera that adds as much blur to its LR pixels at every scale: variances add, and HR has one pixel's share."""
WIDENINGS = torch.linspace(0.35, 0.65, 61).tolist()
TAPS = 7
"""LR pixels a side over which a camera's sharpening reaches."""
NEGLIGIBLE = 6
"""Outermost pixels of the reach of blur and sharpening together, which hold next to nothing."""


def bracket(knots: Tensor, scales: Tensor) -> Tensor:
    """Index (B,) of the knot below each scale, such that the next knot is above it or equal to it."""
    return (torch.searchsorted(knots, scales, right=True) - 1).clamp(0, knots.numel() - 2)


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


def interpolate_blur(knots: Tensor, blur: Tensor, scales: Tensor, widening: float | Tensor = WIDENING) -> Tensor:
    """Blur kernels at any scales between the knots: the spot keeps its shape and widens with (s^2 - 1)^q.

    With H_a, H_b the transfer functions at the knots a <= s <= b and r_k = ((s^2 - 1) / (k^2 - 1))^q,

        H_s(f) = (1 - w) H_a(r_a f) + w H_b(r_b f),    w = (s - a) / (b - a),

    and H_b alone below the first knot above 1, at which there is no blur to widen. H is evaluated where it is needed by
    the Fourier sum of its kernel; beyond the highest frequency of HR it stays as it is there.

    Args:
        knots: (K,) ascending scales, 1 first.
        blur: (K, C, k, k) kernels with k odd, the first a unit impulse.
        scales: (B,) scales from the first knot to the last.
        widening: q.

    Returns:
        (B, C, k, k) kernels of sum 1.
    """
    low = bracket(knots, scales)
    below, above = knots[low], knots[low + 1]
    weight = torch.where(below > 1, (scales - below) / (above - below), torch.ones_like(scales)).view(-1, 1, 1, 1)
    # Where there is nothing below to widen its share is 0, and any ratio will do.
    from_below = torch.where(below > 1, _spread(scales, widening) / _spread(below.clamp_min(1.001), widening), 1.0)
    from_above = _spread(scales, widening) / _spread(above, widening)
    size = blur.shape[-1]
    length = fast_length(2 * size)
    transfer = (1 - weight) * _widened(blur[low], from_below, length)
    transfer = transfer + weight * _widened(blur[low + 1], from_above, length)
    shift = size // 2
    kernels = torch.fft.irfft2(transfer, s=(length, length)).roll((shift, shift), (-2, -1))[..., :size, :size]
    return kernels / kernels.sum((-2, -1), keepdim=True)


def fit_widening(knots: Tensor, blur: Tensor) -> float:
    """The q by which every knot's blur follows best from that of the knot above: each is left out once.

    Distances of transfer functions, weighted by 1 / f as photographs are. With a single knot above 1 nothing measures
    it, and it is 1/2.
    """
    if len(knots) < 3:
        return WIDENING
    length = fast_length(2 * blur.shape[-1])
    rows, columns = torch.fft.fftfreq(length), torch.fft.rfftfreq(length)
    share = 1 / ((rows[:, None].square() + columns.square()).sqrt() + 1 / length)
    known = _widened(blur[1:-1].float(), torch.ones(len(knots) - 2), length)

    def distance(widening: float) -> float:
        ratio = _spread(knots[1:-1].float(), widening) / _spread(knots[2:].float(), widening)
        return float(((_widened(blur[2:].float(), ratio, length) - known).abs() * share).square().sum())

    return min(WIDENINGS, key=distance)


def _spread(scales: Tensor, widening: float | Tensor) -> Tensor:
    return (scales.square() - 1).clamp_min(0) ** widening


def _widened(kernels: Tensor, ratios: Tensor, length: int) -> Tensor:
    """Transfer functions (B, C, length, length // 2 + 1) of kernels (B, C, k, k), each wider by its ratio (B,)."""
    places = torch.arange(kernels.shape[-1], device=kernels.device) - kernels.shape[-1] // 2
    rows, columns = (
        _waves(grid(length, device=kernels.device), ratios, places) for grid in (torch.fft.fftfreq, torch.fft.rfftfreq)
    )
    return rows @ kernels.to(rows.dtype) @ columns.transpose(-2, -1)


def _waves(frequencies: Tensor, ratios: Tensor, places: Tensor) -> Tensor:
    """exp(-2 pi i r f x), (B, 1, frequencies, places), r f held within what a pixel grid can hold."""
    inside = (frequencies * ratios[:, None]).clamp(-0.5, 0.5)
    angle = -2 * torch.pi * inside[:, None, :, None] * places
    return torch.polar(torch.ones_like(angle), angle)


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
