"""Gaussian and Poisson noise of the Real-ESRGAN degradation, from a generator instead of the global random state."""

from __future__ import annotations

import torch
from torch import Tensor

from degflow_aug.degradations.realesrgan.draw import OrderDraw

LUMA = (0.2989, 0.587, 0.114)


def add_noise(image: Tensor, order: OrderDraw) -> Tensor:
    """Add the noise that ``order`` has drawn to (B, 3, H, W) in [0, 1]; the same values as BasicSR's own functions.

    The noise is drawn on the image's device from the order's seed, so it repeats on one kind of device.
    """
    generator = torch.Generator(device=image.device).manual_seed(order.noise_seed)
    strengths = order.strengths.to(image, non_blocking=True).view(-1, 1, 1, 1)
    gray = order.gray.to(image, non_blocking=True).view(-1, 1, 1, 1)
    any_gray = bool(order.gray.any())
    make = _gaussian if order.gaussian else _poisson
    return (image + make(image, strengths, gray, any_gray, generator)).clamp(0, 1)


def _gaussian(image: Tensor, sigma: Tensor, gray: Tensor, any_gray: bool, generator: torch.Generator) -> Tensor:
    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, dtype=image.dtype, device=image.device, generator=generator) * sigma / 255

    # BasicSR draws one gray field for the whole batch, and draws it first.
    gray_noise = normal(1, 1, *image.shape[-2:]) if any_gray else torch.zeros_like(image[:, :1])
    return normal(*image.shape) * (1 - gray) + gray_noise * gray


def _poisson(image: Tensor, factor: Tensor, gray: Tensor, any_gray: bool, generator: torch.Generator) -> Tensor:
    gray_noise = torch.zeros_like(image[:, :1])
    if any_gray:
        weights = torch.tensor(LUMA).to(image, non_blocking=True)
        luma = (image * weights.view(1, 3, 1, 1)).sum(1, keepdim=True)
        gray_noise = _shot_noise(luma, generator)
    return (_shot_noise(image, generator) * (1 - gray) + gray_noise * gray) * factor


def _shot_noise(image: Tensor, generator: torch.Generator) -> Tensor:
    """Poisson noise of an 8-bit image that counts as many photons at white as it has levels, to a power of two.

    What is not a number stays that, for the training's guard to name; the generator refuses it.
    """
    levels = (image * 255).round().clamp(0, 255)
    image = levels / 255
    # Counted on the device: torch.unique, whose result has a size of its own, would wait for it.
    present = levels.new_zeros(len(levels), 256)
    present.scatter_(1, levels.nan_to_num().long().flatten(1), 1.0)
    powers = 2.0 ** torch.arange(9, device=image.device)
    photons = powers[torch.bucketize(present.sum(1), powers)].to(image.dtype).view(-1, 1, 1, 1)
    return torch.poisson((image * photons).nan_to_num(), generator=generator) / photons - image
