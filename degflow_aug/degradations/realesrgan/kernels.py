"""Random blur and sinc kernels of the Real-ESRGAN degradation, drawn from a generator that is handed in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from degflow_aug.degradations.realesrgan.settings import RealESRGANSettings

Kernel = NDArray[np.float64]
Choice = TypeVar("Choice")

SMALLEST_KERNEL = 7
SMALL_SINC_KERNEL = 13
"""Sinc kernels below this side cannot hold the widest filters."""


@dataclass(frozen=True)
class BlurSettings:
    """The blur options of one order, under the names of ``RealESRGANSettings``."""

    blur_kernel_size: int
    kernel_list: tuple[str, ...]
    kernel_prob: tuple[float, ...]
    sinc_prob: float
    blur_sigma: tuple[float, float]
    betag_range: tuple[float, float]
    betap_range: tuple[float, float]

    @classmethod
    def of(cls, settings: RealESRGANSettings, suffix: str) -> BlurSettings:
        """The options of the first ("") or second ("2") order."""
        return cls(**{name: getattr(settings, name + suffix) for name in cls.__dataclass_fields__})


def choose(rng: np.random.Generator, values: Sequence[Choice], weights: Sequence[float]) -> Choice:
    """One of ``values`` with probability in proportion to its weight."""
    probabilities = np.asarray(weights, dtype=np.float64)
    return values[int(rng.choice(len(values), p=probabilities / probabilities.sum()))]


def draw_blur_kernel(rng: np.random.Generator, settings: BlurSettings) -> Kernel:
    """A blur or sinc kernel of sum 1, padded to (blur_kernel_size, blur_kernel_size)."""
    from basicsr.data.degradations import circular_lowpass_kernel

    size = draw_size(rng, settings.blur_kernel_size)
    if rng.uniform() < settings.sinc_prob:
        lowest = math.pi / (3 if size < SMALL_SINC_KERNEL else 5)
        with np.errstate(divide="ignore", invalid="ignore"):
            kernel = circular_lowpass_kernel(rng.uniform(lowest, math.pi), size)
    else:
        kind = choose(rng, settings.kernel_list, settings.kernel_prob)
        kernel = _draw_gaussian_kind(rng, kind, size, settings)
    return padded(kernel, settings.blur_kernel_size)


def draw_sinc_kernel(rng: np.random.Generator, probability: float, side: int) -> Kernel:
    """A final sinc filter of sum 1, (side, side); without one, the unit impulse."""
    from basicsr.data.degradations import circular_lowpass_kernel

    if rng.uniform() >= probability:
        return padded(np.ones((1, 1)), side)
    size = draw_size(rng, side)
    with np.errstate(divide="ignore", invalid="ignore"):
        return padded(circular_lowpass_kernel(rng.uniform(math.pi / 3, math.pi), size), side)


def _draw_gaussian_kind(rng: np.random.Generator, kind: str, size: int, settings: BlurSettings) -> Kernel:
    """A kernel of one of the six kinds, (size, size)."""
    from basicsr.data import degradations

    isotropic = not kind.endswith("aniso")
    sigma_x = rng.uniform(*settings.blur_sigma)
    sigma_y = sigma_x if isotropic else rng.uniform(*settings.blur_sigma)
    angle = 0.0 if isotropic else rng.uniform(-math.pi, math.pi)
    if kind in ("iso", "aniso"):
        return degradations.bivariate_Gaussian(size, sigma_x, sigma_y, angle, isotropic=isotropic)
    generalised = kind.startswith("generalized")
    low, high = settings.betag_range if generalised else settings.betap_range
    beta = rng.uniform(low, 1) if rng.uniform() < 0.5 else rng.uniform(1, high)
    make = degradations.bivariate_generalized_Gaussian if generalised else degradations.bivariate_plateau
    return make(size, sigma_x, sigma_y, angle, beta, isotropic=isotropic)


def draw_size(rng: np.random.Generator, largest: int) -> int:
    """An odd side from 7 to ``largest``."""
    sizes = range(SMALLEST_KERNEL, largest + 1, 2)
    return sizes[int(rng.integers(len(sizes)))]


def padded(kernel: Kernel, side: int) -> Kernel:
    """The kernel with zeros around it, (side, side)."""
    return np.pad(kernel, (side - kernel.shape[0]) // 2)
