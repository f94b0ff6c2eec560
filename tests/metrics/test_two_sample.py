"""The classifier two-sample test on samples of one distribution, and of two that differ by known changes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from degflow_aug.metrics import two_sample
from degflow_aug.metrics.two_sample import (
    LEAST_SCENES,
    LRScene,
    area_under_curve,
    split,
    two_sample_test,
)

SIDE, SCENES = 256, 9


@pytest.fixture(autouse=True)
def short_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """What differs here is learned in a few steps, and nothing is learned in any number of them."""
    monkeypatch.setattr(two_sample, "STEPS", 100)
    monkeypatch.setattr(two_sample, "BATCH", 12)


def textures(seed: int, count: int = SCENES, side: int = SIDE) -> Tensor:
    """Independent noise, correlated over three pixels, as 8 bits: (count, 3, side, side)."""
    white = torch.rand(count, 3, side + 2, side + 2, generator=torch.Generator().manual_seed(seed))
    return F.avg_pool2d(white, 3, 1).mul(255).round().div(255)


def pairs(generated: Tensor) -> list[LRScene]:
    """Scenes whose real images are other draws of the same noise."""
    return [
        LRScene(real, image[None]) for real, image in zip(textures(0, *generated.shape[::3]), generated, strict=True)
    ]


OTHERS = [("plain", "blur"), ("residual", "noise")]
SLOW = pytest.param("residual", marks=pytest.mark.slow)


@pytest.mark.parametrize("classifier", ["plain", SLOW])
def test_draws_of_one_distribution_cannot_be_told_apart(classifier: str) -> None:
    found = two_sample_test(pairs(textures(1)), classifier)
    assert found.patches == SCENES * (SIDE // 32) ** 2
    # Of one fold: its samples are what the others learn from, so that their mean may be no surer than each.
    count = found.patches // 3
    error = ((2 * count + 1) / 12) ** 0.5 / count
    assert found.auc == pytest.approx(0.5, abs=4 * error)
    assert found.accuracy == pytest.approx(0.5, abs=4 * (0.25 / (2 * count)) ** 0.5)


@pytest.mark.parametrize(
    ("classifier", "change"),
    [("plain", "noise"), ("residual", "blur"), *(pytest.param(*each, marks=pytest.mark.slow) for each in OTHERS)],
)
def test_a_known_difference_is_found(classifier: str, change: str) -> None:
    generated = textures(1, side=128)
    if change == "noise":
        generated = generated + 8 / 255 * torch.randn(generated.shape, generator=torch.Generator().manual_seed(2))
    else:
        generated = F.avg_pool2d(F.pad(generated, (1, 1, 1, 1), mode="reflect"), 3, 1)
    assert two_sample_test(pairs(generated), classifier).auc > 0.9


def test_area_is_the_share_of_pairs_in_order() -> None:
    rng = np.random.default_rng(0)
    for size in ((7, 5), (1, 9), (40, 3)):
        positive, negative = (rng.integers(6, size=n).astype(float) for n in size)
        apart = positive[:, None] - negative
        assert area_under_curve(positive, negative) == pytest.approx(((apart > 0) + 0.5 * (apart == 0)).mean())


@pytest.mark.parametrize("scenes", [6, 7, 11])
@pytest.mark.parametrize("seed", [0, 5])
def test_a_scene_is_tested_once_by_what_has_not_seen_it(scenes: int, seed: int) -> None:
    parts = split(scenes, 3, seed)
    assert sorted(index for _, held in parts for index in held) == list(range(scenes))
    for training, held in parts:
        assert sorted([*training, *held]) == list(range(scenes))
    assert split(scenes, 3, seed) == parts != split(scenes, 3, seed + 1)


@pytest.mark.slow
def test_a_seed_repeats_and_leaves_torchs_random_numbers_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(two_sample, "STEPS", 5)
    scenes = pairs(textures(1, LEAST_SCENES, 48))
    torch.manual_seed(3)
    untouched = torch.rand(2)
    torch.manual_seed(3)
    first = two_sample_test(scenes, "plain", seed=1)
    assert torch.equal(torch.rand(2), untouched)
    with torch.inference_mode():
        assert two_sample_test(scenes, "plain", seed=1) == first
    assert two_sample_test(scenes, "plain", seed=2) != first


def test_patches_lie_at_the_same_places_of_both_images() -> None:
    image = textures(0, 1, 72)[0]
    scene = LRScene(image, torch.stack([image, image]))
    batch = two_sample._batch([scene], np.random.default_rng(0))
    real, generated = batch.chunk(2)
    assert torch.equal(real, generated)
    assert len({float(patch.mean()) for patch in real}) > 6


def test_what_cannot_be_tested_is_refused_in_a_sentence() -> None:
    scenes = pairs(textures(1, LEAST_SCENES, 48))
    with pytest.raises(ValueError, match="expected at least 6 scenes for a two-sample test, got 5; add pairs"):
        two_sample_test(scenes[1:])
    with pytest.raises(ValueError, match="expected a classifier out of plain, residual, got 'strong'"):
        two_sample_test(scenes, "strong")
    with pytest.raises(ValueError, match="at least 32x32 pixels for a two-sample test, got 31x40"):
        LRScene(torch.rand(3, 31, 40), torch.rand(2, 3, 31, 40))
    for generated in (torch.rand(1, 3, 40, 41), torch.rand(3, 40, 40), torch.rand(0, 3, 40, 40)):
        with pytest.raises(ValueError, match=r"expected real LR \(3, h, w\) and generated \(draws, 3, h, w\) of it"):
            LRScene(torch.rand(3, 40, 40), generated)
