"""PSNR and SSIM of the luma, on the images' device; the values of BasicSR's metrics with ``test_y_channel``."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_LUMA = (65.481, 128.553, 24.966)
SSIM_WINDOW, _SIGMA = 11, 1.5
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def psnr_y(a: Tensor, b: Tensor, *, eight_bit: bool = False) -> Tensor:
    """Compute Y-PSNR in dB, 10 log10(255^2 / mean (Y_a - Y_b)^2), infinite for equal images.

    Args:
        a, b: (B, 3, H, W), RGB in [0, 1].
        eight_bit: round both to 8 bits first, as files are.

    Returns:
        (B,) in float64.

    Raises:
        ValueError: images of different or other shapes.
    """
    error = _luma(a, b, eight_bit) - _luma(b, a, eight_bit)
    return 10 * torch.log10(255**2 / error.square().mean((1, 2, 3)))


def ssim_y(a: Tensor, b: Tensor, *, eight_bit: bool = False) -> Tensor:
    """Compute the mean SSIM of Y, Gaussian window of 11 pixels and sigma 1.5, where it lies inside the image.

    Args and returns as in :func:`psnr_y`.

    Raises:
        ValueError: images of different or other shapes, or below 11 pixels per side.
    """
    if min(a.shape[-2:]) < SSIM_WINDOW:
        raise ValueError(
            f"expected images of at least {SSIM_WINDOW}x{SSIM_WINDOW} for SSIM, got {a.shape[-2]}x{a.shape[-1]}"
        )
    x, y = _luma(a, b, eight_bit), _luma(b, a, eight_bit)
    mean_x, mean_y = _windowed(x), _windowed(y)
    variance_x = _windowed(x * x) - mean_x**2
    variance_y = _windowed(y * y) - mean_y**2
    covariance = _windowed(x * y) - mean_x * mean_y
    structure = (2 * covariance + _C2) / (variance_x + variance_y + _C2)
    return ((2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1) * structure).mean((1, 2, 3))


def _luma(image: Tensor, other: Tensor, eight_bit: bool) -> Tensor:
    """Y of BT.601 in studio range, 16 to 235: (B, 3, H, W) in [0, 1] -> (B, 1, H, W) in float64."""
    if image.ndim != 4 or image.shape[1] != 3 or image.shape != other.shape:
        shapes = f"{tuple(image.shape)} and {tuple(other.shape)}"
        raise ValueError(f"expected two RGB images (B, 3, H, W) of one shape, got {shapes}")
    rgb = image.double()
    if eight_bit:
        rgb = rgb.clamp(0, 1).mul(255).round() / 255
    return 16 + (rgb * rgb.new_tensor(_LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)


def _windowed(image: Tensor) -> Tensor:
    """Gaussian mean of (B, 1, H, W) around every pixel at least 5 from the border.

    As sums of shifted images, which in float64 on a CPU takes a sixth of the time of a convolution.
    """
    weights = [math.exp(-(((position - SSIM_WINDOW // 2) / _SIGMA) ** 2) / 2) for position in range(SSIM_WINDOW)]
    for dim in (-2, -1):
        length = image.shape[dim] - SSIM_WINDOW + 1
        total = torch.zeros_like(image.narrow(dim, 0, length))
        for start, weight in enumerate(weights):
            total.add_(image.narrow(dim, start, length), alpha=weight / sum(weights))
        image = total
    return image
