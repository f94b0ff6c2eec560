"""Which form of noise makes LR most like real LR: a two-sample test and the energy score on scenes held out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from degflow_aug.console.progress import track
from degflow_aug.degradations.noise.noisy_degradation import Noise
from degflow_aug.degradations.noise.residual_estimation import Pair
from degflow_aug.metrics.energy_score import ResidualScore
from degflow_aug.metrics.two_sample import LEAST_SCENES, PATCH, LRScene, two_sample_test

NONE, GAUSSIAN, LEARNED = "none", "Gaussian", "learned"
FEWEST_TO_TEST = 24
SHARE_HELD = 5
STEPS = 200
MARGIN, TOLD = 0.02, 0.9
"""Areas under the curve that are so near to one another say nothing, nor do any where even the least is above the
second: every form is told. Then the energy score decides."""


@dataclass(frozen=True)
class Compared:
    """How near to real LR a form of noise comes.

    Attributes:
        two_sample_auc: of a network on residuals, mean over scales; None where there are too few scenes.
        energy_score: see :class:`ResidualScore`, mean over scales; lower is better.
    """

    form: str
    two_sample_auc: float | None
    energy_score: float


@dataclass(frozen=True)
class Choice:
    """The form that was chosen out of those compared, of a camera where there are several; for people."""

    form: str
    compared: Sequence[Compared] = ()
    camera: str = ""

    def __str__(self) -> str:
        """In one line."""
        of = f"{self.camera}: " if self.camera else ""
        if not self.compared:
            return f"{of}{self.form}, not compared: too few scenes"
        tested = all(each.two_sample_auc is not None for each in self.compared)
        what = "two-sample AUC, energy score" if tested else "energy score"
        areas = [f"{each.two_sample_auc:.3f}, " if tested else "" for each in self.compared]
        values = [f"{each.form} {area}{each.energy_score:.3f}" for each, area in zip(self.compared, areas, strict=True)]
        return f"{of}{self.form}; of scenes held out ({what}): {'; '.join(values)}"


def hold_out(scenes: int) -> list[int]:
    """Numbers of the scenes to compare on: a fifth, evenly, and of 24 or more at least the six of a two-sample test.

    None of a single scene.
    """
    least = LEAST_SCENES if scenes >= FEWEST_TO_TEST else 1
    count = max(least, scenes // SHARE_HELD) if scenes > 1 else 0
    return [(2 * place + 1) * scenes // (2 * count) for place in range(count)]


@torch.no_grad()
def choose_noise(
    forms: Mapping[str, Noise], held: Mapping[float, Sequence[Pair]], score: ResidualScore, seed: int
) -> Choice:
    """Compare forms of noise and choose the one that a two-sample test tells least; by the energy score where it tells
    several alike, or all.

    Args:
        forms: by name; where none wins LR stays as it is.
        held: by scale, rendered and real LR images (1, 3, h, w) in [0, 1].
        score: made of the residuals of other scenes.
        seed: of the draws and the tests.
    """
    compared = [_compare(name, forms[name], held, score, seed) for name in track(list(forms), "noise test", "form")]
    told = {each.form: abs((each.two_sample_auc or 0.5) - 0.5) for each in compared}
    least = min(told.values())
    near = [each for each in compared if least > TOLD - 0.5 or told[each.form] <= least + MARGIN]
    return Choice(min(near, key=lambda each: each.energy_score).form, compared)


def _compare(
    name: str, noise: Noise, held: Mapping[float, Sequence[Pair]], score: ResidualScore, seed: int
) -> Compared:
    areas, scores = list[float](), list[float]()
    for scale in sorted(held):
        draws = torch.Generator().manual_seed(seed)
        made = [_eight_bits(noise(torch.cat([lr, lr]), torch.full((2,), scale), 1.0, draws)) for lr, _ in held[scale]]
        values = [
            float(score(first[None] - lr, second[None] - lr, real - lr))
            for (first, second), (lr, real) in zip(made, held[scale], strict=True)
        ]
        scores.append(sum(values) / len(values))
        scenes = [LRScene(real[0], each) for each, (_, real) in zip(made, held[scale], strict=True) if _fits(real)]
        if scale in (min(held), max(held)) and len(scenes) >= LEAST_SCENES:
            areas.append(two_sample_test(scenes, "residual", seed=seed, steps=STEPS).auc)
    return Compared(name, sum(areas) / len(areas) if areas else None, sum(scores) / len(scores))


def _fits(real: Tensor) -> bool:
    return min(real.shape[-2:]) >= PATCH


def _eight_bits(image: Tensor) -> Tensor:
    return (image * 255).round() / 255
