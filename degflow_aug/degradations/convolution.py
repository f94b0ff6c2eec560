"""Images whose borders reflect, at any size: padding, and convolution with a large kernel per sample by FFT."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def reflect_indices(positions: Tensor, size: int) -> Tensor:
    """Fold integer ``positions`` into [0, size - 1] by reflection about the first and last pixel, repeated."""
    if size == 1:
        return torch.zeros_like(positions)
    period = 2 * (size - 1)
    folded = positions.remainder(period)
    return torch.minimum(folded, period - folded)


def reflect_pad(image: Tensor, margin: int) -> Tensor:
    """Pad (B, C, H, W) by ``margin`` pixels on every side; unlike ``F.pad`` the margin may exceed the image."""
    if margin == 0:
        return image
    height, width = image.shape[-2:]
    if margin < min(height, width):
        return F.pad(image, (margin, margin, margin, margin), mode="reflect")
    rows = reflect_indices(torch.arange(-margin, height + margin, device=image.device), height)
    columns = reflect_indices(torch.arange(-margin, width + margin, device=image.device), width)
    return image.index_select(-2, rows).index_select(-1, columns)


def pad_to_multiple(image: Tensor, multiple: int) -> Tensor:
    """Mirror (B, C, H, W) at its bottom and right until both sides are multiples of ``multiple``."""
    for axis in (-2, -1):
        size = image.shape[axis]
        padded = -(-size // multiple) * multiple
        if padded > size:
            image = image.index_select(axis, reflect_indices(torch.arange(padded, device=image.device), size))
    return image


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
