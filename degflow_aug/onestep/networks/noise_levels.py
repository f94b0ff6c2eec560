"""How much noise a backbone's times stand for: powers of Stable Diffusion's steps, levels of FLUX's."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

STEPS = 1000
FLUX_SHIFT = 1.15
"""That of 1024x1024 images, which OMGSR-F takes for every size."""


def alpha_bars(scheduler: dict[str, Any]) -> Tensor:
    """(1000,) in float32: products of 1 - beta_t of a scheduler's configuration.

    Args:
        scheduler: what diffusers keeps in ``scheduler/scheduler_config.json``.
    """
    from diffusers import DDPMScheduler

    return DDPMScheduler.from_config(scheduler).alphas_cumprod.float()


def flux_sigmas() -> Tensor:
    """(1000,) in float64, rising from 0 to 1: sigma = e^mu / (e^mu + 1 / u - 1) at u = t / 999, mu = 1.15."""
    even = torch.arange(STEPS, dtype=torch.float64) / (STEPS - 1)
    factor = math.exp(FLUX_SHIFT)
    return factor * even / (factor * even + 1 - even)


def one_step_from_noise(latents: Tensor, prediction: Tensor, alpha_bar: Tensor, predicts: str) -> Tensor:
    """Clean latents from noisy ones (DDPM): (z - sqrt(1 - a) eps) / sqrt(a), or sqrt(a) z - sqrt(1 - a) v.

    Args:
        latents: (B, C, h, w), taken for sqrt(a) z0 + sqrt(1 - a) eps.
        prediction: of the same shape.
        alpha_bar: a, broadcastable.
        predicts: epsilon or v_prediction.

    Raises:
        ValueError: another prediction.
    """
    signal, noise = alpha_bar.sqrt(), (1 - alpha_bar).sqrt()
    if predicts == "epsilon":
        return (latents - noise * prediction) / signal
    if predicts == "v_prediction":
        return signal * latents - noise * prediction
    raise ValueError(f"expected a scheduler that predicts epsilon or v_prediction, got {predicts!r}")


def one_step_along_velocity(latents: Tensor, velocity: Tensor, times: Tensor) -> Tensor:
    """z - t v: clean latents from those at time t of a straight path (FluxSR, OMGSR-F; FlowSR's f)."""
    return latents - times * velocity


def per_sample(values: Tensor, like: Tensor) -> Tensor:
    """(B,) as (B, 1, 1, 1) on the device of ``like`` and in its type."""
    return values.to(like).reshape(-1, 1, 1, 1)


def sigma_of_step(step: int) -> float:
    """Noise level of OMGSR-F's t index."""
    return float(flux_sigmas()[step])
