"""Optics of the simulated cameras: constants and point-spread function."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from degflow_aug.options.sections import check_fields
from degflow_aug.options.values import Between, Share

Positive = Annotated[float, Between(0, 16, open="low")]
Offset = Annotated[float, Between(-16, 16)]


@dataclass(frozen=True)
class Lens:
    """Constants of a lens; lengths in HR pixels.

    Attributes:
        blur: sigma of the Gaussian core is blur * sqrt(s^2 - 1).
        channel_blur: factor on sigma for R, G, B.
        halo: share of the light in the halo 1 / (1 + (r / (halo_width * sigma))^2)^2.
        halo_width: width of the halo in sigmas.
        anisotropy: ratio of the long axis of the spot to the short one.
        angle: direction of the long axis, radians.
        chromatic_shift: (x, y) shift of R and B against G at scale 2, opposite for the two, linear in s - 1.
        oversampling: odd number of grid points a pixel on which the spot is computed.
    """

    blur: Positive = 0.6
    channel_blur: tuple[Positive, Positive, Positive] = (1.06, 1.0, 0.95)
    halo: Share = 0.12
    halo_width: Positive = 1.2
    anisotropy: Positive = 1.12
    angle: Offset = 0.6
    chromatic_shift: tuple[Offset, Offset] = (0.08, 0.05)
    oversampling: Annotated[int, Between(1, 33)] = 5

    def __post_init__(self) -> None:
        check_fields(self, "degradation")
        if self.oversampling % 2 == 0:
            raise ValueError(f"expected an odd oversampling, got {self.oversampling}; an even grid has no centre")


@dataclass(frozen=True)
class CameraOptics(Lens):
    """Constants of the simulated camera; intensities in linear light of full scale 1.

    Attributes:
        gamma: power between display values and linear light.
        shot_noise: variance of the noise per unit of light, at scale 2 and above.
        read_noise: variance of the noise in the dark, at scale 2 and above.
        sharpening: amount of unsharp masking on the LR image, at scale 2 and above.
        sharpening_sigma: sigma of that mask in LR pixels.
        levels: number of display values above black; 255 is 8 bit.
        phase: (x, y) shift of the sampling grid in LR pixels.
    """

    gamma: Positive = 2.2
    shot_noise: Share = 2e-5
    read_noise: Share = 3e-7
    sharpening: Offset = 0.45
    sharpening_sigma: Positive = 0.9
    levels: Annotated[int, Between(1, 2**24)] = 255
    phase: tuple[Offset, Offset] = (0.0, 0.0)


def point_spread(optics: Lens, scale: float) -> Tensor:
    """Point-spread function at ``scale`` > 1: (3, k, k) in double precision, sum 1, k odd.

    Per channel (core + halo) * box, the box of width sqrt(s^2 - 1): an HR pixel has already integrated one unit of the
    s that an LR pixel does. Computed on the oversampled grid and integrated over HR pixels.
    """
    spread = math.sqrt(scale * scale - 1)
    radius = math.ceil(5 * optics.blur * max(optics.channel_blur) * spread + spread / 2) + 1
    reach = radius * optics.oversampling + optics.oversampling // 2
    grid = torch.arange(-reach, reach + 1, dtype=torch.float64) / optics.oversampling
    spots = torch.stack([_spot(optics, scale, channel, grid) for channel in range(3)])
    integrate = _pixel_integral(radius, optics.oversampling, spread)
    kernels = integrate @ spots @ integrate.T
    return kernels / kernels.sum((-2, -1), keepdim=True)


def _spot(optics: Lens, scale: float, channel: int, grid: Tensor) -> Tensor:
    """Core and halo of one channel on the fine grid (n,), as (n, n) of sum 1."""
    sigma = optics.blur * math.sqrt(scale * scale - 1) * optics.channel_blur[channel]
    shift = (scale - 1) * (channel - 1)
    x = (grid - optics.chromatic_shift[0] * shift)[None, :]
    y = (grid - optics.chromatic_shift[1] * shift)[:, None]
    along = (x * math.cos(optics.angle) + y * math.sin(optics.angle)) / math.sqrt(optics.anisotropy)
    across = (y * math.cos(optics.angle) - x * math.sin(optics.angle)) * math.sqrt(optics.anisotropy)
    squared = (along**2 + across**2) / sigma**2
    core = torch.exp(-squared / 2)
    halo = (1 + squared / optics.halo_width**2) ** -2
    return (1 - optics.halo) * core / core.sum() + optics.halo * halo / halo.sum()


def _pixel_integral(radius: int, oversampling: int, width: float) -> Tensor:
    """Matrix (2 radius + 1, n): convolves n fine samples with a box of ``width`` pixels and sums over each pixel."""
    count = (2 * radius + 1) * oversampling
    index = torch.arange(count, dtype=torch.float64)
    distance = (index[:, None] - index).abs()
    half = width * oversampling / 2
    overlap = torch.minimum(distance + 0.5, torch.full_like(distance, half)) - (distance - 0.5).clamp_min(-half)
    box = overlap.clamp_min(0) / (2 * half)
    return box.view(2 * radius + 1, oversampling, count).sum(1)
