"""Lanczos interpolation of an image at evenly spaced positions, with a low-pass where one is asked for."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from degflow_aug.degradations.convolution import reflect_indices

LOBES = 4


def sample(
    image: Tensor, size: tuple[int, int], step: float, offset: tuple[float, float], width: float = 1.0
) -> Tensor:
    """Values of (B, C, H, W) at rows step * i + offset[0] and columns step * j + offset[1], borders reflected.

    Weights are sinc(x / w) sinc(x / 4w) at distances |x| < 4w, of sum 1. With the width w = 1, that of images without
    detail finer than the new pixels, nothing is filtered; w = step takes away what they cannot hold.

    Returns:
        (B, C, *size), not clamped.
    """
    for axis, length, start in ((-2, size[0], offset[0]), (-1, size[1], offset[1])):
        image = _sample_axis(image, axis, step * torch.arange(length, dtype=torch.float64) + start, width)
    return image


def _sample_axis(image: Tensor, axis: int, positions: Tensor, width: float) -> Tensor:
    """Interpolate along one axis at ``positions`` (n,) in pixels."""
    reach = math.ceil(LOBES * width)
    first = positions.floor().long() - reach + 1
    taps = first[:, None] + torch.arange(2 * reach)
    distance = (positions[:, None] - taps) / width
    weights = torch.sinc(distance) * torch.sinc(distance / LOBES) * (distance.abs() < LOBES)
    weights = (weights / weights.sum(1, keepdim=True)).to(image, non_blocking=True)
    indices = reflect_indices(taps, image.shape[axis]).to(image.device, non_blocking=True)
    shape = (-1, 1) if axis == -2 else (-1,)
    terms = (image.index_select(axis, indices[:, k]) * weights[:, k].view(shape) for k in range(2 * reach))
    result = next(terms)
    for term in terms:
        result = result + term
    return result
