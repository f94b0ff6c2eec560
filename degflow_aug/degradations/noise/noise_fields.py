"""Gaussian fields of a given correlation over neighbours and channels, fine ones and smooth ones."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

PITCH = 8
"""Distance in pixels of the nodes between which smooth fields are interpolated."""


def sample_fields(kernels: Tensor, height: int, width: int, generator: torch.Generator) -> Tensor:
    """White noise through filters: field[b, o] = sum_i kernels[b, o, i] * n[b, i], n of mean 0 and variance 1.

    Args:
        kernels: (B, O, I, k, k), k odd.
        height, width: of the fields.
        generator: on the device of ``kernels``.

    Returns:
        (B, O, height, width), stationary up to its borders.
    """
    batch, fields, sources, side, _ = kernels.shape
    size = (1, batch * sources, height + side - 1, width + side - 1)
    white = torch.randn(size, device=kernels.device, generator=generator)
    return F.conv2d(white, kernels.flatten(0, 1), groups=batch).view(batch, fields, height, width)


def sample_smooth_fields(kernels: Tensor, height: int, width: int, generator: torch.Generator) -> Tensor:
    """As :func:`sample_fields` with a node every ``PITCH`` pixels, bilinear between them."""
    nodes = sample_fields(kernels, -(-height // PITCH) + 1, -(-width // PITCH) + 1, generator)
    return _between_nodes(height, nodes) @ nodes @ _between_nodes(width, nodes).T


def _between_nodes(size: int, like: Tensor) -> Tensor:
    """Weights (size, nodes) of the two nodes around every pixel."""
    pixels, nodes = (torch.arange(count, device=like.device) for count in (size, -(-size // PITCH) + 1))
    return (1 - (pixels[:, None] / PITCH - nodes).abs()).clamp(min=0).to(like.dtype)


def smooth_variance(kernels: Tensor) -> Tensor:
    """Variance (B, O) of :func:`sample_smooth_fields`, its mean over pixels: less than at the nodes.

    Of the weights (1 - t, t) along an axis, the products of equal ones have the mean 2/3, those of the others 1/3.
    """
    share = kernels.new_tensor([1 / 6, 2 / 3, 1 / 6])
    flat = kernels.flatten(0, 2)[:, None]
    smoothed = F.conv2d(flat, (share[:, None] * share)[None, None], padding=1)
    return (flat * smoothed).sum((1, 2, 3)).view(kernels.shape[:3]).sum(2)


def kernels_of(covariance: Tensor, side: int) -> Tensor:
    """The filters whose fields have a covariance: the Hermitian square root of its spectrum.

    What is negative in the spectrum of an estimate counts as 0, and the variance is kept.

    Args:
        covariance: (C, C, n, n), entry [c, d, y, x] that of channel c at a pixel and d at the one y - n // 2 below and
            x - n // 2 to the right of it, periodic.
        side: of the filters, odd, below n.

    Returns:
        (C, C, side, side).
    """
    size = covariance.shape[-1]
    spectrum = torch.fft.fft2(torch.fft.ifftshift(covariance.double(), dim=(-2, -1))).permute(2, 3, 0, 1)
    values, vectors = torch.linalg.eigh((spectrum + spectrum.mH) / 2)
    root = (vectors * values.clamp(min=0).sqrt()[..., None, :]) @ vectors.mH
    full = torch.fft.fftshift(torch.fft.ifft2(root.permute(2, 3, 0, 1)).real, dim=(-2, -1))
    start = size // 2 - side // 2
    kernels = full[..., start : start + side, start : start + side]
    wanted = covariance[..., size // 2, size // 2].diagonal().double().clamp(min=0)
    got = kernels.square().sum((1, 2, 3)).clamp(min=1e-30)
    return (kernels * (wanted / got).sqrt()[:, None, None, None]).float()
