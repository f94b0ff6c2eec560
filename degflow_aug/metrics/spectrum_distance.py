"""How differently two images spread their power over the frequencies, wherever their edges lie."""

from __future__ import annotations

import torch
from torch import Tensor

SMALLEST = 16
# Variance of rounding to whole gray levels: what lies below it does not reach a file.
_ROUNDING = 1 / 12
# BT.601 in full range: noise and edges count in the gray levels that users see.
_WEIGHTS = (0.299, 0.587, 0.114)


def spectrum_distance(a: Tensor, b: Tensor) -> Tensor:
    """Compute the mean difference of the radial power spectra on a logarithmic scale.

    mean_r |10 log10(P_a(r) + 1/12) - 10 log10(P_b(r) + 1/12)| over the rings r of :func:`radial_power` but the first,
    which holds the brightness of the whole image; 1/12 is the power of 8-bit rounding.

    Args:
        a, b: (B, 3, H, W), RGB in [0, 1], of at least 16x16 pixels.

    Returns:
        (B,) in float64, in dB; 0 for equal spectra.

    Raises:
        ValueError: images of different or other shapes, or too small.
    """
    level_a, level_b = (10 * torch.log10(radial_power(gray) + _ROUNDING) for gray in gray_levels(a, b, SMALLEST))
    return (level_a - level_b)[:, 1:].abs().mean(1)


def gray_levels(a: Tensor, b: Tensor, smallest: int) -> tuple[Tensor, Tensor]:
    """Convert two batches of images to gray levels: (B, 3, H, W) in [0, 1] -> (B, H, W) in [0, 255], float64.

    Raises:
        ValueError: images of different or other shapes, or below ``smallest`` pixels per side.
    """
    if a.ndim != 4 or a.shape[1] != 3 or a.shape != b.shape:
        shapes = f"{tuple(a.shape)} and {tuple(b.shape)}"
        raise ValueError(f"expected two RGB images (B, 3, H, W) of one shape, got {shapes}")
    if min(a.shape[-2:]) < smallest:
        raise ValueError(f"expected images of at least {smallest}x{smallest}, got {a.shape[-2]}x{a.shape[-1]}")
    weights = a.new_tensor(_WEIGHTS).double()[:, None, None] * 255
    return (a.double() * weights).sum(1), (b.double() * weights).sum(1)


def radial_power(gray: Tensor) -> Tensor:
    """Compute power by spatial frequency: (B, H, W) -> (B, R) with R = min(H, W) // 2 rings of equal width.

    Ring r holds the frequencies of magnitude in [r, r + 1) / 2R cycles a pixel, up to 1/2. The mean is taken off, a
    Hann window w put on, and |FFT|^2 divided by sum w^2, so that white noise of variance v has power v in every ring.
    """
    height, width = gray.shape[-2:]
    window = _hann(height, gray)[:, None] * _hann(width, gray)
    centred = gray - gray.mean((1, 2), keepdim=True)
    power = torch.fft.fft2(centred * window).abs().square().flatten(1) / window.square().sum()
    down, across = (torch.fft.fftfreq(side, device=gray.device, dtype=gray.dtype) for side in (height, width))
    rings = min(height, width) // 2
    # Rounding must not push a frequency that lies on the border of two rings into the lower one.
    ring = (torch.hypot(down[:, None], across) * 2 * rings + 1e-9).long().flatten()
    inside = ring < rings
    total = power.new_zeros(len(power), rings).index_add_(1, ring[inside], power[:, inside])
    return total / torch.bincount(ring[inside], minlength=rings)


def _hann(length: int, like: Tensor) -> Tensor:
    return torch.hann_window(length, device=like.device, dtype=like.dtype)
