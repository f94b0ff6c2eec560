"""Noise of a camera's sensor on finished images: back to the sensor's values, noise, and the way there again."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from degflow_aug.degradations.bsrgan.shuffled_steps import SensorNoise
from degflow_aug.degradations.convolution import reflect_pad

_GREEN = ((0, 0, -2, 0, 0), (0, 0, 4, 0, 0), (-2, 4, 8, 4, -2), (0, 0, 4, 0, 0), (0, 0, -2, 0, 0))
_BESIDE = ((0, 0, 1, 0, 0), (0, -2, 0, -2, 0), (-2, 8, 10, 8, -2), (0, -2, 0, -2, 0), (0, 0, 1, 0, 0))
_DIAGONAL = ((0, 0, -3, 0, 0), (0, 4, 0, 4, 0), (-3, 0, 12, 0, -3), (0, 4, 0, 4, 0), (0, 0, -3, 0, 0))


def add_sensor_noise(image: Tensor, step: SensorNoise) -> Tensor:
    """Add the noise that ``step`` has drawn to (B, 3, H, W) sRGB in [0, 1].

    Forward as in BSRGAN's paper: demosaicing (Malvar et al., "High-quality linear interpolation for demosaicing of
    Bayer-patterned color images", ICASSP 2004), exposure, white balance, colour matrix, gamma of sRGB, tone curve.
    Simplified: the tone curve is the smooth step 3 x^2 - 2 x^3 of Brooks et al. in place of measured ones, the colours
    are between those of two of the paper's five cameras, and highlights that these had clipped are not made up.
    """
    gains = step.gains.to(image, non_blocking=True)[..., None, None]
    to_srgb = step.to_srgb.to(image, non_blocking=True)
    shot, read = (values.to(image, non_blocking=True).view(-1, 1, 1, 1) for values in (step.shot, step.read))
    generator = torch.Generator(device=image.device).manual_seed(step.seed)
    light = _mixed(
        _to_light(_without_tones(image.clamp(0, 1))), torch.linalg.inv(step.to_srgb).to(image, non_blocking=True)
    )
    values = _mosaic((light / gains).clamp(0, 1))
    noise = torch.randn(values.shape, dtype=image.dtype, device=image.device, generator=generator)
    values = (values + (shot * values + read).sqrt() * noise).clamp(0, 1)
    display = _to_display(_mixed(_demosaic(values) * gains, to_srgb).clamp(0, 1))
    return (display * display * (3 - 2 * display)).clamp(0, 1)


def _mixed(image: Tensor, matrices: Tensor) -> Tensor:
    """Every pixel of (B, 3, H, W) times its sample's (3, 3)."""
    return torch.bmm(matrices, image.flatten(2)).view_as(image)


def _without_tones(display: Tensor) -> Tensor:
    """The inverse of 3 x^2 - 2 x^3 on [0, 1]."""
    return 0.5 - torch.sin(torch.asin(1 - 2 * display) / 3)


def _to_light(display: Tensor) -> Tensor:
    """Linear light of sRGB values in [0, 1] (IEC 61966-2-1)."""
    return torch.where(display <= 0.04045, display / 12.92, ((display + 0.055) / 1.055) ** 2.4)


def _to_display(light: Tensor) -> Tensor:
    """sRGB values of linear light in [0, 1] (IEC 61966-2-1)."""
    return torch.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def _places(image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Where R G over G B has R, G beside R, G beside B, and B: each (H, W) of 0 and 1."""
    even_row, even_column = (
        (torch.arange(size, device=image.device) % 2 == 0).to(image.dtype) for size in image.shape[-2:]
    )
    rows, columns = even_row[:, None], even_column[None]
    return rows * columns, rows * (1 - columns), (1 - rows) * columns, (1 - rows) * (1 - columns)


def _mosaic(light: Tensor) -> Tensor:
    """Keep one channel per pixel, R G over G B: (B, 3, H, W) -> (B, 1, H, W)."""
    red, beside_red, beside_blue, blue = _places(light)
    return (light * torch.stack([red, beside_red + beside_blue, blue])).sum(1, keepdim=True)


def _demosaic(values: Tensor) -> Tensor:
    """Interpolate what :func:`_mosaic` left out, (B, 1, H, W) -> (B, 3, H, W)."""
    kernels = torch.tensor([_GREEN, _BESIDE, list(zip(*_BESIDE, strict=True)), _DIAGONAL]) / 16
    filtered = F.conv2d(reflect_pad(values, 2), kernels[:, None].to(values, non_blocking=True))
    green, across, down, diagonal = filtered.unbind(1)
    own = values[:, 0]
    red, beside_red, beside_blue, blue = _places(values)
    return torch.stack([
        red * own + beside_red * across + beside_blue * down + blue * diagonal,
        (beside_red + beside_blue) * own + (red + blue) * green,
        blue * own + beside_blue * across + beside_red * down + red * diagonal,
    ], 1)  # fmt: skip
