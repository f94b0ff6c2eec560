"""OMGSR's mid-timestep against its closed form, on pairs whose noise is known."""

from __future__ import annotations

import math

import pytest
import torch

from degflow_aug.onestep.mid_timestep import (
    LatentGap,
    exact_sigma,
    latent_gap,
    match_lr_time,
    match_sigma_step,
    match_step,
)
from degflow_aug.onestep.networks.noise_levels import flux_sigmas

ALPHA_BARS = (1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2).cumprod(0)


def pairs(noise: float, count: int = 8, side: int = 16) -> LatentGap:
    generator = torch.Generator().manual_seed(1)
    hr, added = (torch.randn(count, 4, side, side, generator=generator) for _ in range(2))
    return latent_gap(hr, hr + noise**0.5 * added)


@pytest.mark.parametrize("step", [1, 100, 273, 500, 900])
def test_the_step_of_one_pair_is_the_closed_form(step: int) -> None:
    gap = 1 / ALPHA_BARS[step] - 1
    assert match_step(LatentGap(torch.tensor([1.7]).double(), gap[None]), ALPHA_BARS) == step


@pytest.mark.parametrize("step", [1, 173, 244, 999])
def test_the_level_of_one_pair_is_the_closed_form(step: int) -> None:
    sigmas = flux_sigmas()
    level = min(sigmas[step].item(), 0.9999)
    gap = torch.tensor([(level / (1 - level)) ** 2], dtype=torch.float64)
    assert exact_sigma(gap).item() == pytest.approx(level)
    assert match_sigma_step(LatentGap(torch.ones(1).double(), gap), sigmas) in (step, step - 1 if step == 999 else step)


@pytest.mark.parametrize("noise", [0.05, 0.573, 3.0])
def test_known_noise_is_found_on_drawn_latents(noise: float) -> None:
    found = match_step(pairs(noise), ALPHA_BARS)
    expected = int((ALPHA_BARS - 1 / (1 + noise)).abs().argmin())
    assert found == pytest.approx(expected, abs=6)
    assert match_lr_time(pairs(noise)) == pytest.approx(math.sqrt(noise) / (1 + math.sqrt(noise)), abs=0.01)


def test_published_levels_of_flux() -> None:
    """OMGSR's own steps, and what its code makes of them."""
    sigmas = flux_sigmas()
    for step, level in ((244, 0.5051), (173, 0.3981), (180, 0.4097), (295, 0.5696)):
        assert sigmas[step].item() == pytest.approx(level, abs=1e-4)
    assert sigmas[0] == 0
    assert sigmas[-1].item() == pytest.approx(1, abs=1e-12)


def test_clean_pairs_are_left_out() -> None:
    found = pairs(0.573)
    mixed = LatentGap(torch.cat((found.power, torch.ones(3))), torch.cat((found.gap, torch.zeros(3))))
    assert match_step(mixed, ALPHA_BARS) == match_step(found, ALPHA_BARS)
    with pytest.raises(ValueError, match="expected LR images that differ from HR"):
        match_step(LatentGap(torch.ones(2), torch.zeros(2)), ALPHA_BARS)


def test_no_state_without_noise_is_matched() -> None:
    """A checkpoint at one would be of no use."""
    tiny = LatentGap(torch.ones(1).double(), torch.tensor([2e-6]).double())
    assert match_sigma_step(tiny, flux_sigmas()) > 0
    assert match_step(tiny, ALPHA_BARS) == 1
