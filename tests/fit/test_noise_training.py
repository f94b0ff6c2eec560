"""Training of noise: it finds white noise, is the same however often it is interrupted, and rounds as files do."""

from __future__ import annotations

import math
import os
import signal
from pathlib import Path

import pytest
import torch
from helpers.fake_cuda import CUDA, FakeCUDA
from helpers.known_noise import seeded
from helpers.random_networks import random_noise
from torch import Tensor

from degflow_aug.degradations.noise.learned_noise import LearnedNoise
from degflow_aug.fit import noise_adversary, noise_training
from degflow_aug.fit.noise_adversary import Adversary
from degflow_aug.fit.noise_training import train_noise
from degflow_aug.fit.schedule import Budget
from degflow_aug.fit.short_training import ShortRun
from degflow_aug.metrics.energy_score import ResidualScore

CPU = torch.device("cpu")


Pairs = dict[float, list[tuple[Tensor, Tensor]]]


def white_pairs(deviation: float = 0.04, scales: tuple[float, ...] = (2.0,)) -> Pairs:
    draws = seeded(2)
    found = {}
    for scale in scales:
        images = [0.4 + 0.2 * torch.rand(1, 3, 40, 44, generator=draws) for _ in range(4)]
        found[scale] = [(lr, lr + deviation * torch.randn(lr.shape, generator=draws)) for lr in images]
    return found


def trained(pairs: Pairs, run: ShortRun) -> LearnedNoise:
    """On top of a field that is far too weak."""
    score = ResidualScore(real[0] - lr[0] for each in pairs.values() for lr, real in each)
    field = random_noise(tuple(pairs))
    field.tables.mul_(0.1)
    return train_noise(pairs, field, score, run, CPU)


def test_it_learns_the_deviation_of_white_noise() -> None:
    pairs = white_pairs()
    noise = trained(pairs, ShortRun(Budget(80)))
    lr = torch.full((4, 3, 64, 64), 0.5)
    drawn = noise.sample(lr, torch.full((4,), 2.0), seeded())
    assert float(drawn.std()) == pytest.approx(0.04, rel=0.25)
    assert not any(part.requires_grad for part in noise.parameters())


def test_an_interrupted_training_ends_as_one_in_one_go(tmp_path: Path) -> None:
    pairs = white_pairs(scales=(2.0, 4.0))
    state = tmp_path / "noise.state"
    whole = trained(pairs, ShortRun(Budget(42), seed=3))

    def stop(step: int, total: int, value: float) -> None:
        assert total == 42
        if step == 20 and not state.is_file():
            os.kill(os.getpid(), signal.SIGINT)

    run = ShortRun(Budget(42), seed=3, report=stop, state=state)
    with pytest.raises(KeyboardInterrupt):
        trained(pairs, run)
    assert torch.load(state, weights_only=True)["step"] == 20
    resumed = trained(pairs, run)
    assert all(torch.equal(part, whole.state_dict()[name]) for name, part in resumed.state_dict().items())
    # What has ended is not trained on; that of other pairs or another seed is begun anew.
    again = trained(pairs, run)
    assert torch.equal(again.layers[0].weight, whole.layers[0].weight)
    other = white_pairs(0.05, scales=(2.0, 4.0))
    fresh = trained(other, ShortRun(Budget(1), seed=3, state=state))
    assert torch.load(state, weights_only=True)["step"] == 1
    assert not torch.equal(fresh.layers[0].weight, whole.layers[0].weight)


def test_the_global_stream_is_left_alone() -> None:
    before, pairs = torch.random.get_rng_state(), white_pairs()
    trained(pairs, ShortRun(Budget(1)))
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_step_beside_the_adversary_is_made_on_the_device(fake_cuda: FakeCUDA) -> None:
    pairs = white_pairs()
    score = ResidualScore(real[0] - lr[0] for lr, real in pairs[2.0])
    training = noise_training._Training(pairs, random_noise((2.0,)), score, ShortRun(Budget(10)), CUDA)
    assert training.advance(step=0, progress=0.7).is_cuda


@pytest.mark.parametrize(("budget", "beside"), [(9, 5.4), (14, 8.4), (30, 9.5), (31, 9.5)])
def test_the_adversary_takes_the_end_of_a_training_and_never_more_steps_than_its_most(
    budget: int, beside: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []

    def loss(self: Adversary, real: Tensor, made: Tensor, progress: float) -> Tensor:
        asked.append(progress)
        return made.new_zeros(())

    monkeypatch.setattr(noise_adversary, "MOST_STEPS", 9.5)
    monkeypatch.setattr(Adversary, "loss", loss)
    trained(white_pairs(), ShortRun(Budget(budget)))
    first = budget - beside
    assert asked == pytest.approx([(step - first) / beside for step in range(math.ceil(first), budget)], abs=1e-9)
