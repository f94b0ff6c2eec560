"""Everything random about one call of BSRGAN's degradation, drawn before anything is degraded: steps in their order.

Kernels, strengths and qualities are a sample's own; which steps there are, their order and the sizes in between are the
batch's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from degflow_aug.degradations.bsrgan.bsrgan_settings import BSRGANSettings
from degflow_aug.degradations.bsrgan.camera_colours import draw_camera_colours
from degflow_aug.degradations.realesrgan.kernels import Kernel, choose, draw_size, padded

WAYS = ("nearest", "bilinear", "bicubic", "down-up")
SMOOTH = ("bilinear", "bicubic")
NEAREST_REACH = 10
HALVED_FROM = 4.0


@dataclass(frozen=True)
class Blur:
    """A correlation with kernels (B, k, k)."""

    kernels: Tensor


@dataclass(frozen=True)
class Resize:
    """Interpolation to (round(H / divisor), round(W / divisor)) of HR's H and W; ``mode`` is one of torch's."""

    mode: str
    divisor: float


@dataclass(frozen=True)
class GaussianNoise:
    """Noise A n of every pixel, n three independent standard normal values from ``seed``, A (B, 3, 3) ``mixing``."""

    mixing: Tensor
    seed: int


@dataclass(frozen=True)
class JPEG:
    """JPEG of the qualities (B,)."""

    qualities: Tensor


@dataclass(frozen=True)
class SensorNoise:
    """Noise on the values of a camera's sensor.

    Attributes:
        gains: (B, 3) white balance times exposure of R, G and B.
        to_srgb: (B, 3, 3) linear sRGB = to_srgb @ balanced light of the sensor.
        shot: (B,) variance per unit of light.
        read: (B,) variance in the dark.
        seed: of the noise itself.
    """

    gains: Tensor
    to_srgb: Tensor
    shot: Tensor
    read: Tensor
    seed: int


Step = Blur | Resize | GaussianNoise | JPEG | SensorNoise


def draw_steps(settings: BSRGANSettings, scale: float, batch: int, rng: np.random.Generator) -> tuple[Step, ...]:
    """Draw the steps from HR to LR for ``batch`` samples; needs BasicSR."""
    steps: list[Step] = []
    halved, mode = rng.uniform() < settings.halving_prob, _smooth(rng)
    left = scale
    if halved and scale >= HALVED_FROM:
        steps.append(Resize(mode, 2.0))
        left = scale / 2
    pieces: list[list[Step]] = [
        [Blur(_stack(batch, lambda: _isotropic(rng, settings, left)))],
        [Blur(_stack(batch, lambda: _anisotropic(rng, settings, left)))],
        [GaussianNoise(_stack(batch, lambda: _mixing(rng, settings)), _seed(rng))],
    ]
    if rng.uniform() < settings.jpeg_prob:
        pieces.append([_jpeg(rng, settings, batch)])
    if rng.uniform() < settings.sensor_prob:
        pieces.append([_sensor_noise(rng, settings, batch)])
    resizes = list(_downsampling(rng, settings, scale, left, batch))
    following = iter(resizes)
    for index in rng.permutation(len(pieces) + len(resizes)):
        # Down-up's two halves keep their order, with whatever comes between them.
        steps += pieces[index] if index < len(pieces) else next(following)
    return (*steps, _jpeg(rng, settings, batch))


def _downsampling(
    rng: np.random.Generator, settings: BSRGANSettings, scale: float, left: float, batch: int
) -> Iterator[list[Step]]:
    """What takes an image that has still to shrink by ``left`` to LR, in one part or in two."""
    way = choose(rng, WAYS, settings.downsample_prob)
    if way == "nearest":
        lowest, highest = settings.nearest_sigma[0], max(settings.nearest_sigma[1] * left, settings.nearest_sigma[0])
        kernels = _stack(batch, lambda: shifted_gaussian(rng.uniform(lowest, highest), (left - 1) / 2))
        yield [Blur(kernels), Resize("nearest", scale)]
        return
    if way == "down-up":
        factor = rng.uniform(min(settings.down_up_lowest, left), left)
        yield [Resize(_smooth(rng), scale / factor)]
    yield [Resize(_smooth(rng) if way == "down-up" else way, scale)]


def shifted_gaussian(sigma: float, shift: float) -> Kernel:
    """A Gaussian moved down and right by ``shift`` pixels, by linear interpolation; (21, 21) up to a shift of 1.5.

    A correlation with it moves an image up and left: nearest takes the top-left pixel of each block, whose centre is
    ``shift`` = (scale - 1) / 2 away.
    """
    reach = NEAREST_REACH + max(0, math.ceil(shift - 1.5))
    position = np.arange(-reach, reach + 1, dtype=np.float64)
    profile = np.exp(-((position / sigma) ** 2) / 2)
    moved = np.interp(position - shift, position, profile, left=0, right=0)
    kernel: Kernel = np.outer(moved, moved) / moved.sum() ** 2
    return kernel


def _isotropic(rng: np.random.Generator, settings: BSRGANSettings, scale: float) -> Kernel:
    sigma = rng.uniform(*settings.at(scale, "iso_sigma"))
    return _gaussian(rng, settings, sigma, sigma, 0.0)


def _anisotropic(rng: np.random.Generator, settings: BSRGANSettings, scale: float) -> Kernel:
    along, across = np.sqrt(rng.uniform(*settings.at(scale, "aniso_variance"), 2))
    return _gaussian(rng, settings, along, across, rng.uniform(0, math.pi))


def _gaussian(rng: np.random.Generator, settings: BSRGANSettings, along: float, across: float, angle: float) -> Kernel:
    from basicsr.data.degradations import bivariate_Gaussian

    size = draw_size(rng, settings.blur_kernel_size)
    return padded(bivariate_Gaussian(size, along, across, angle, isotropic=False), settings.blur_kernel_size)


def _mixing(rng: np.random.Generator, settings: BSRGANSettings) -> NDArray[np.float64]:
    """The matrix A of noise A n, of the covariance A A^T: (3, 3)."""
    kind = choose(rng, ("covariance", "independent", "gray"), settings.noise_prob)
    if kind == "covariance":
        # Random axes, and variances of 0 to the highest along them.
        axes = np.linalg.qr(rng.standard_normal((3, 3)))[0]
        return axes * np.sqrt(rng.uniform(0, 1, 3)) * settings.noise_range[1] / 255
    sigma = _whole(rng, settings.noise_range) / 255
    return sigma * (np.eye(3) if kind == "independent" else np.outer(np.ones(3), (1.0, 0.0, 0.0)))


def _sensor_noise(rng: np.random.Generator, settings: BSRGANSettings, batch: int) -> SensorNoise:
    exposure = 2 ** rng.uniform(*settings.exposure_range, (batch, 1))
    gains = exposure * np.insert(rng.uniform(*settings.white_balance_range, (batch, 2)), 1, 1.0, axis=1)
    lowest, highest = map(math.log, settings.shot_noise_range)
    shot = rng.uniform(lowest, highest, batch)
    slope, offset, spread = settings.read_noise_fit
    read = np.exp(rng.normal(slope * shot + offset, spread))
    colours = _stack(batch, lambda: draw_camera_colours(rng))
    return SensorNoise(_tensor(gains), colours, _tensor(np.exp(shot)), _tensor(read), _seed(rng))


def _jpeg(rng: np.random.Generator, settings: BSRGANSettings, batch: int) -> JPEG:
    return JPEG(_tensor(np.array([_whole(rng, settings.jpeg_range) for _ in range(batch)])))


def _whole(rng: np.random.Generator, bounds: tuple[int, int]) -> int:
    return int(rng.integers(*bounds, endpoint=True))


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**63))


def _smooth(rng: np.random.Generator) -> str:
    return SMOOTH[int(rng.integers(len(SMOOTH)))]


def _stack(batch: int, make: Callable[[], NDArray[np.float64]]) -> Tensor:
    return _tensor(np.stack([make() for _ in range(batch)]))


def _tensor(values: NDArray[np.generic]) -> Tensor:
    return torch.from_numpy(values).float()
