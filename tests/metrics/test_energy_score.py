"""The energy score against the closed form of Gaussians, SciPy, and a score that is added up by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.spatial.distance import cdist
from torch import Tensor

from degflow_aug.metrics.energy_score import ResidualScore, energy_score


def white(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("mean", [0.0, 0.7])
@pytest.mark.parametrize("deviation", [0.5, 1.0, 2.0])
def test_of_one_feature_it_is_the_ranked_probability_score(mean: float, deviation: float) -> None:
    """For y of N(0, 1) and a forecast N(m, s^2): E|x - y| - E|x - x'| / 2, means of folded Gaussians."""
    first, second = (mean + deviation * white(1, 1, 400_000, seed=seed) for seed in (1, 2))
    found = energy_score(first, second, white(1, 1, 400_000), 1, smoothing=0)
    wide = math.sqrt(1 + deviation**2)
    wanted = stats.foldnorm.mean(abs(mean) / wide, scale=wide) - deviation / math.sqrt(math.pi)
    assert float(found) == pytest.approx(wanted, abs=5e-3)


def test_it_is_added_up_from_distances_of_groups() -> None:
    first, second, real = (white(2, 6, 5, seed=seed) for seed in range(3))

    def distance(one: Tensor, other: Tensor) -> float:
        pairs = zip(one.permute(0, 2, 1).reshape(-1, 3), other.permute(0, 2, 1).reshape(-1, 3), strict=True)
        return float(np.mean([cdist(a[None], b[None])[0, 0] for a, b in pairs]))

    wanted = 0.0
    for rows in (slice(0, 3), slice(3, 6)):
        x, y, z = first[:, rows], second[:, rows], real[:, rows]
        wanted += (distance(x, z) + distance(y, z) - distance(x, y)) / 2 / math.sqrt(3) / 2
    assert float(energy_score(first, second, real, 3, smoothing=0)) == pytest.approx(wanted, rel=1e-5)


def test_the_truth_scores_best() -> None:
    """Against weaker, stronger, smoother and colourless noise, and none."""

    def smooth(image: Tensor) -> Tensor:
        return torch.nn.functional.avg_pool2d(image, 3, 1) * 3

    def noise(seed: int) -> Tensor:
        return 0.02 * white(8, 3, 64, 64, seed=seed)

    score = ResidualScore(noise(9))
    forecasts = {
        "true": lambda x: x,
        "none": lambda x: 0 * x,
        "weak": lambda x: 0.8 * x,
        "strong": lambda x: 1.25 * x,
        "smooth": lambda x: smooth(torch.nn.functional.pad(x, (1,) * 4, mode="circular")),
        "gray": lambda x: x[:, :1].expand_as(x),
    }
    found = {name: float(score(made(noise(1)), made(noise(2)), noise(0))) for name, made in forecasts.items()}
    assert min(found, key=lambda name: found[name]) == "true"
    assert all(value > found["true"] + 0.01 for name, value in found.items() if name != "true"), found


def test_features_of_residuals_are_white() -> None:
    """Of correlated noise each has the variance e / (e + 0.004) of its eigenvalue, none goes with another."""
    residuals = torch.nn.functional.avg_pool2d(0.05 * white(6, 3, 130, 130, seed=3), 3, 1)
    features = ResidualScore(residuals)._features(residuals).permute(1, 0, 2).flatten(1)
    covariance = features @ features.T / features.shape[1]
    assert torch.allclose(covariance, torch.eye(len(covariance)), atol=0.25)
    assert float((covariance.diagonal() - 1).abs().mean()) < 0.05
