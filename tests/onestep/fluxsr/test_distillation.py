"""FluxSR's identities: the noise cancels, and at T_L the loss is that of the generator's latents."""

from __future__ import annotations

import pytest
import torch

from degflow_aug.onestep.fluxsr.distillation import distillation_loss, draw_times, path_from_lr
from degflow_aug.onestep.networks.noise_levels import one_step_along_velocity

SHAPES = [(1, 16, 4, 4), (3, 16, 6, 2)]


def latents(shape: tuple[int, ...], count: int, dtype: torch.dtype = torch.float64) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=generator, dtype=dtype) for _ in range(count)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("lr_time", [0.1, 0.5, 0.9])
def test_the_noise_cancels(shape: tuple[int, ...], lr_time: float) -> None:
    velocity, lr, hr, first, second = latents(shape, 5)
    losses = [distillation_loss(velocity, lr, hr, noise, lr_time) for noise in (first, second)]
    expected = ((lr - hr) - lr_time * velocity).square().mean()
    assert torch.allclose(losses[0], losses[1], rtol=1e-12)
    assert torch.allclose(losses[0], expected, rtol=1e-12)


@pytest.mark.parametrize("lr_time", [0.05, 0.5])
def test_at_the_time_of_lr_it_is_the_error_of_the_generator(lr_time: float) -> None:
    velocity, lr, hr, noise = latents((2, 16, 4, 4), 4)
    times = torch.full((2,), lr_time, dtype=torch.float64)
    assert torch.equal(path_from_lr(lr, noise, times, lr_time), lr)
    made = one_step_along_velocity(lr, velocity, torch.tensor(lr_time))
    assert torch.allclose(distillation_loss(velocity, lr, hr, noise, lr_time), (made - hr).square().mean())


def test_the_path_ends_in_noise_and_is_straight() -> None:
    lr, noise = latents((2, 16, 4, 4), 2)
    assert torch.equal(path_from_lr(lr, noise, torch.ones(2), 0.3), noise)
    middle = path_from_lr(lr, noise, torch.full((2,), 0.65), 0.3)
    assert torch.allclose(middle, (lr + noise) / 2, atol=1e-6)


def test_a_perfect_velocity_has_no_loss() -> None:
    lr, hr, noise = latents((2, 16, 4, 4), 3)
    assert distillation_loss((lr - hr) / 0.4, lr, hr, noise, 0.4) < 1e-28


def test_times_fill_the_range() -> None:
    torch.manual_seed(0)
    times = draw_times(4000, 0.4, torch.device("cpu"))
    assert times.min() >= 0.4
    assert times.max() <= 1
    assert times.mean().item() == pytest.approx(0.7, abs=0.01)
