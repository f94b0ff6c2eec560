"""The choice among forms of noise: the true one wins, none where there is none, and by what it is decided."""

from __future__ import annotations

import itertools

import pytest
import torch
from helpers.known_noise import seeded
from torch import Tensor, nn

from degflow_aug.degradations.noise.noisy_degradation import NoNoise
from degflow_aug.fit import noise_choice
from degflow_aug.fit.noise_choice import Choice, Compared, choose_noise, hold_out
from degflow_aug.metrics.energy_score import ResidualScore
from degflow_aug.metrics.two_sample import TwoSample

SCALE = torch.tensor([2.0])


class White(nn.Module):
    """White noise of one deviation."""

    def __init__(self, deviation: float) -> None:
        super().__init__()
        self.deviation = deviation

    def forward(self, lr: Tensor, scales: Tensor, strength: float, generator: torch.Generator) -> Tensor:
        return lr + strength * self.deviation * torch.randn(lr.shape, generator=generator)


def pairs(deviation: float, count: int = 4) -> dict[float, list[tuple[Tensor, Tensor]]]:
    draws = seeded(1)
    images = [0.3 + 0.4 * torch.rand(1, 3, 48, 40, generator=draws) for _ in range(count)]
    return {2.0: [(lr, White(deviation)(lr, SCALE, 1.0, draws)) for lr in images]}


FORMS = {"none": NoNoise(SCALE), "weak": White(0.01), "true": White(0.03), "strong": White(0.06)}


@pytest.mark.parametrize(("deviation", "wanted"), [(0.03, "true"), (0.001, "none")])
def test_without_scenes_for_a_test_the_energy_score_decides(deviation: float, wanted: str) -> None:
    held = pairs(deviation)
    score = ResidualScore(real[0] - lr[0] for lr, real in pairs(deviation)[2.0])
    choice = choose_noise(FORMS, held, score, seed=0)
    assert choice.form == wanted
    assert [each.two_sample_auc for each in choice.compared] == [None] * len(FORMS)
    assert choice == choose_noise(FORMS, held, score, seed=0)


@pytest.mark.parametrize(
    ("areas", "wanted"),
    [
        ({"none": 0.8, "weak": 0.95, "true": 0.99, "strong": 0.99}, "none"),
        # Of those that are told alike the score decides; below one half is as far off as above.
        ({"none": 0.61, "weak": 0.95, "true": 0.62, "strong": 0.5 - 0.3}, "true"),
        # Where even the least is told there is no test.
        ({"none": 0.94, "weak": 0.97, "true": 0.98, "strong": 1.0}, "true"),
    ],
)
def test_of_enough_scenes_the_test_decides(
    monkeypatch: pytest.MonkeyPatch, areas: dict[str, float], wanted: str
) -> None:
    left = iter(areas.values())
    monkeypatch.setattr(
        noise_choice, "two_sample_test", lambda scenes, *_, **__: TwoSample(0.5, next(left), 0, 0, len(scenes))
    )
    held = pairs(0.03, count=6)
    choice = choose_noise(FORMS, held, ResidualScore(real[0] - lr[0] for lr, real in held[2.0]), seed=0)
    assert choice.form == wanted
    assert {each.form: each.two_sample_auc for each in choice.compared} == areas


@pytest.mark.parametrize(("scenes", "wanted"), [(0, 0), (1, 0), (2, 1), (23, 4), (24, 6), (60, 12)])
def test_a_fifth_is_held_out_evenly(scenes: int, wanted: int) -> None:
    held = hold_out(scenes)
    assert len(set(held)) == len(held) == wanted
    assert all(0 <= number < scenes for number in held)
    gaps = {after - before for before, after in itertools.pairwise(held)}
    assert max(gaps, default=0) - min(gaps, default=0) <= 1


def test_a_choice_is_said_in_a_line() -> None:
    found = [Compared("none", 0.97, 2.5), Compared("learned", 0.61, 1.5)]
    line = "learned; of scenes held out (two-sample AUC, energy score): none 0.970, 2.500; learned 0.610, 1.500"
    assert str(Choice("learned", found)) == line
    assert str(Choice("Gaussian", camera="phone")) == "phone: Gaussian, not compared: too few scenes"
    alone = Choice("none", [Compared("none", None, 2.5)])
    assert str(alone) == "none; of scenes held out (energy score): none 2.500"
