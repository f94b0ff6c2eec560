"""Everything random about one call of the Real-ESRGAN degradation, drawn before anything is degraded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from degflow_aug.degradations.realesrgan.kernels import (
    BlurSettings,
    Kernel,
    choose,
    draw_blur_kernel,
    draw_sinc_kernel,
)
from degflow_aug.degradations.realesrgan.settings import RealESRGANSettings

MODES = ("area", "bilinear", "bicubic")


@dataclass(frozen=True)
class OrderDraw:
    """One order: blur, resize, noise, JPEG. Kernels, strengths and qualities are a sample's own, the rest the batch's.

    Attributes:
        kernels: (B, k, k) blur kernels, or None for no blur.
        resize: factor of the resize.
        mode: its interpolation.
        gaussian: Gaussian noise; Poisson noise otherwise.
        strengths: (B,) standard deviation on the scale of 255, or factor on the Poisson noise.
        gray: (B,) 1 where the noise is the same in the three channels, else 0.
        noise_seed: seed of the noise itself.
        qualities: (B,) JPEG qualities.
    """

    kernels: Tensor | None
    resize: float
    mode: str
    gaussian: bool
    strengths: Tensor
    gray: Tensor
    noise_seed: int
    qualities: Tensor


@dataclass(frozen=True)
class RealESRGANDraw:
    """Both orders and the end, where the resize to LR with its sinc filter comes before or after the second JPEG.

    Attributes:
        first: the first order.
        second: the second order.
        sinc_kernels: (B, k, k) final filters.
        final_mode: interpolation of the resize to LR.
        jpeg_last: the second JPEG comes at the very end.
    """

    first: OrderDraw
    second: OrderDraw
    sinc_kernels: Tensor
    final_mode: str
    jpeg_last: bool


def draw(settings: RealESRGANSettings, batch: int, rng: np.random.Generator) -> RealESRGANDraw:
    """Draw the parameters for ``batch`` samples; needs BasicSR."""
    first = _draw_order(settings, "", batch, rng, blur=True)
    second = _draw_order(settings, "2", batch, rng, blur=bool(rng.uniform() < settings.second_blur_prob))
    side = settings.blur_kernel_size
    sinc_kernels = _stack(batch, lambda: draw_sinc_kernel(rng, settings.final_sinc_prob, side))
    return RealESRGANDraw(first, second, sinc_kernels, _draw_mode(rng), bool(rng.uniform() < 0.5))


def _draw_order(
    settings: RealESRGANSettings, suffix: str, batch: int, rng: np.random.Generator, blur: bool
) -> OrderDraw:
    blur_settings = BlurSettings.of(settings, suffix)
    gaussian = bool(rng.uniform() < getattr(settings, "gaussian_noise_prob" + suffix))
    strength_range = getattr(settings, ("noise_range" if gaussian else "poisson_scale_range") + suffix)
    return OrderDraw(
        kernels=_stack(batch, lambda: draw_blur_kernel(rng, blur_settings)) if blur else None,
        resize=_draw_resize(settings, suffix, rng),
        mode=_draw_mode(rng),
        gaussian=gaussian,
        strengths=_draw_values(rng, strength_range, batch),
        gray=(_draw_values(rng, (0.0, 1.0), batch) < getattr(settings, "gray_noise_prob" + suffix)).float(),
        noise_seed=int(rng.integers(2**63)),
        qualities=_draw_values(rng, getattr(settings, "jpeg_range" + suffix), batch),
    )


def _draw_resize(settings: RealESRGANSettings, suffix: str, rng: np.random.Generator) -> float:
    low, high = getattr(settings, "resize_range" + suffix)
    way = choose(rng, ("up", "down", "keep"), getattr(settings, "resize_prob" + suffix))
    # As in BasicSR, a range on one side of 1 draws between 1 and its end, whichever is the lower one.
    up, down = rng.uniform(min(1, high), max(1, high)), rng.uniform(min(low, 1), max(low, 1))
    return {"up": up, "down": down, "keep": 1.0}[way]


def _draw_values(rng: np.random.Generator, bounds: tuple[float, float], batch: int) -> Tensor:
    return torch.from_numpy(rng.uniform(bounds[0], bounds[1], batch)).float()


def _draw_mode(rng: np.random.Generator) -> str:
    return MODES[int(rng.integers(len(MODES)))]


def _stack(batch: int, make: Callable[[], Kernel]) -> Tensor:
    return torch.from_numpy(np.stack([make() for _ in range(batch)])).float()
