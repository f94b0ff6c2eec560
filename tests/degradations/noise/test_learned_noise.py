"""Learned noise: what it draws, at which scales, in which precision, and which states are its."""

from __future__ import annotations

import pytest
import torch
from helpers.known_noise import noise as gaussian
from helpers.known_noise import seeded
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from degflow_aug.degradations.noise.learned_noise import GAIN, INPUTS, LearnedNoise
from degflow_aug.degradations.noise.noisy_degradation import NoNoise, noise_from_state


def learned(scales: tuple[float, ...] = (2.0, 4.0), strong: float = 1.0) -> LearnedNoise:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        noise = LearnedNoise(gaussian(scales, offset=0.02, shift=0.1), width=8)
        torch.nn.init.normal_(noise.layers[-1].weight, std=0.1 * strong)
    return noise.requires_grad_(False)


def test_a_network_that_passes_white_noise_on_adds_white_noise() -> None:
    """One layer whose centre takes channel i of its white noise for output i: independent values of deviation GAIN."""
    noise = LearnedNoise(gaussian(), layers=1).requires_grad_(False)
    weight = torch.zeros_like(noise.layers[0].weight)
    weight[:, INPUTS:, 1, 1] = torch.eye(3)
    noise.load_state_dict({**noise.state_dict(), "layers.0.weight": weight, "layers.0.bias": torch.zeros(3)})
    lr, scales = torch.full((4, 3, 101, 120), 0.5), torch.full((4,), 2.0)
    drawn = (noise.sample(lr, scales, seeded()) - gaussian().sample(lr, scales, seeded())) / GAIN
    assert drawn.shape == lr.shape
    assert float(drawn.mean()) == pytest.approx(0, abs=0.01)
    assert float(drawn.std()) == pytest.approx(1, rel=0.01)
    for step in ((0, 0, 0, 1), (0, 0, 1, 0), (0, 1, 0, 0), (1, 0, 0, 0)):
        shifted = drawn.roll(step, (0, 1, 2, 3))
        assert float((drawn * shifted).mean()) == pytest.approx(0, abs=0.015)


def test_strength_scale_and_seed() -> None:
    source, lr, scales = learned(), torch.rand(3, 3, 24, 20, generator=seeded()), torch.tensor([1.0, 2.0, 3.0])
    lr = 0.4 + 0.2 * lr
    once = source(lr, scales, 1.0, seeded(3))
    assert torch.equal(once, source(lr, scales, 1.0, seeded(3)))
    assert not torch.equal(once, source(lr, scales, 1.0, seeded(4)))
    assert torch.equal(once[0], lr[0])
    assert torch.equal(source(lr, scales, 0.0, seeded(3)), lr)
    assert torch.allclose(source(lr, scales, 0.5, seeded(3)) - lr, (once - lr) / 2, atol=1e-6)


@pytest.mark.parametrize(("scale", "like", "share"), [(1.0, 2.0, 0.0), (1.25, 2.0, 0.25), (6.0, 4.0, 1.0)])
def test_it_fades_below_the_first_scale_and_stays_above_the_last(scale: float, like: float, share: float) -> None:
    source, lr = learned(), torch.rand(1, 3, 16, 16, generator=seeded())

    def at(value: float) -> Tensor:
        return source.sample(lr, torch.tensor([value]), seeded())

    assert torch.allclose(at(scale), share * at(like), atol=1e-7)
    assert not torch.allclose(at(2.5), at(3.5))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 31, 45), (3, 64, 9)])
def test_values_stay_in_range_precision_and_shape(dtype: torch.dtype, shape: tuple[int, int, int]) -> None:
    bright = torch.ones(shape[0], 3, *shape[1:], dtype=dtype)
    found = learned(strong=5)(bright, torch.full(shape[:1], 4.0), 1.0, seeded())
    assert found.dtype == dtype
    assert found.shape == bright.shape
    assert 0 <= float(found.min()) <= float(found.max()) <= 1
    # Whatever the module was cast to, noise is made in float32.
    cast = learned(strong=5).to(dtype)(bright.float(), torch.full(shape[:1], 4.0), 1.0, seeded())
    assert torch.allclose(cast, found.float(), atol=0.05)


def test_nothing_is_read_back() -> None:
    with FakeTensorMode(allow_non_fake_inputs=True):
        lr = torch.rand(2, 3, 15, 16)
        assert learned()(lr, torch.rand(2), 1.0, torch.Generator()).shape == lr.shape


def test_each_form_is_made_from_its_state() -> None:
    lr, scales = torch.rand(1, 3, 16, 16, generator=seeded()), torch.tensor([3.0])
    for form in (learned(), gaussian(), NoNoise(torch.tensor([2.0, 4.0]))):
        copy = noise_from_state(form.state_dict())
        assert type(copy) is type(form)
        assert torch.equal(copy(lr, scales, 1.0, seeded()), form(lr, scales, 1.0, seeded()))
        assert not any(part.requires_grad for part in copy.parameters())
    assert copy(lr, scales, 1.0, seeded()) is lr


@pytest.mark.parametrize(
    "wrong", ["field.scales", "field.tables", "layers.1.weight", "layers.0.weight", "layers.3.bias"]
)
def test_the_state_of_something_else_is_refused(wrong: str) -> None:
    state = dict(learned().state_dict())
    del state[wrong]
    with pytest.raises(ValueError, match="expected the state of a learned noise, got another"):
        noise_from_state(state)
