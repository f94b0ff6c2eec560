"""Colours of the LR image for what a generator made of it: its means and spreads, or its low frequencies."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

COLOUR_FIXES = ("adain", "wavelet", "none")
_LEVELS = 5


def fix_colours(image: Tensor, reference: Tensor, how: str) -> Tensor:
    """(B, 3, H, W) with the colours of ``reference``, the enlarged LR image, of the same shape and range.

    Args:
        image: what the generator made.
        reference: LR at HR size.
        how: adain (OMGSR), wavelet (FlowSR) or none.

    Raises:
        ValueError: another way, or images of different shapes.
    """
    if image.shape != reference.shape:
        raise ValueError(f"expected a reference of {tuple(image.shape)}, got {tuple(reference.shape)}")
    if how == "adain":
        return match_statistics(image, reference)
    if how == "wavelet":
        return high_frequencies(image) + low_frequencies(reference)
    if how == "none":
        return image
    raise ValueError(f"expected a colour fix out of {', '.join(COLOUR_FIXES)}, got {how!r}")


def match_statistics(image: Tensor, reference: Tensor) -> Tensor:
    """AdaIN: every channel with the mean and standard deviation of the reference's."""
    spread, mean = torch.std_mean(image, dim=(-2, -1), keepdim=True)
    wanted_spread, wanted_mean = torch.std_mean(reference, dim=(-2, -1), keepdim=True)
    return (image - mean) / spread.clamp(min=1e-5) * wanted_spread + wanted_mean


def low_frequencies(image: Tensor) -> Tensor:
    """What is left of (B, C, H, W) after five à-trous smoothings with [1 2 1] / 4, each twice as wide as the last."""
    kernel = torch.tensor([1.0, 2.0, 1.0], device=image.device, dtype=image.dtype) / 4
    weight = torch.outer(kernel, kernel).expand(image.shape[1], 1, 3, 3)
    for level in range(_LEVELS):
        width = 2**level
        padded = F.pad(image, (width, width, width, width), mode="replicate")
        image = F.conv2d(padded, weight, groups=image.shape[1], dilation=width)
    return image


def high_frequencies(image: Tensor) -> Tensor:
    """The image without :func:`low_frequencies`."""
    return image - low_frequencies(image)
