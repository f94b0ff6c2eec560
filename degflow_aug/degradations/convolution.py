"""Convolution with a large kernel per sample and channel, by FFT, with borders that reflect at any size."""

from __future__ import annotations

import torch
from torch import Tensor

from degflow_aug.degradations.padding import reflect_pad


def fast_length(length: int) -> int:
    """Smallest even number >= ``length`` whose prime factors are 2, 3 and 5: sizes that FFT libraries are quick at."""
    candidate = max(2, length + length % 2)
    while True:
        rest = candidate
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return candidate
        candidate += 2


def convolve(image: Tensor, kernels: Tensor) -> Tensor:
    """Convolve every sample and channel with its own kernel, borders reflected.

    y[b, c] = kernels[b, c] * image[b, c], a convolution and not a correlation: a kernel is a point-spread function.
    By FFT, which on a CPU beats the direct grouped convolution for 31x31 kernels and does not care for their size.

    Args:
        image: (B, C, H, W); 16-bit floats are computed in 32 bits.
        kernels: (B or 1, C, k, k) with k odd, centred on pixel k // 2.

    Returns:
        (B, C, H, W) of the image's dtype, not clamped.
    """
    height, width = image.shape[-2:]
    wide = image if image.dtype == torch.float64 else image.float()
    margin = kernels.shape[-1] // 2
    padded = reflect_pad(wide, margin)
    size = (fast_length(padded.shape[-2]), fast_length(padded.shape[-1]))
    spectrum = torch.fft.rfft2(padded, s=size) * torch.fft.rfft2(kernels.to(wide), s=size)
    # The circular wrap reaches only the first 2 * margin rows and columns, which lie before the part that is kept.
    result = torch.fft.irfft2(spectrum, s=size)
    return result[..., 2 * margin : 2 * margin + height, 2 * margin : 2 * margin + width].to(image.dtype)
