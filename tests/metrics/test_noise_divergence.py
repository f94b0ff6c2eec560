"""The divergence of noise against closed forms and SciPy."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats

from degflow_aug.metrics.noise_divergence import GRAY, kl_divergence, residual_kld


def test_kl_divergence_of_counts_is_scipys() -> None:
    p, q = torch.tensor([10, 0, 5, 85]), torch.tensor([20, 10, 60, 10])
    assert kl_divergence(p, q) == pytest.approx(stats.entropy(p + 0.5, q + 0.5))
    assert kl_divergence(p, p) == 0
    assert kl_divergence(p[[0, 2, 3]], q[[0, 2, 3]], 0) == pytest.approx(stats.entropy([10, 5, 85], [20, 60, 10]))


def white(seed: int, gray_levels: float) -> torch.Tensor:
    return gray_levels * GRAY * torch.randn(2, 3, 256, 300, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("first", "second"), [(2.0, 2.0), (2.0, 3.0), (4.0, 3.0)])
def test_kld_of_two_gaussians(first: float, second: float) -> None:
    found = residual_kld([white(0, first)], [white(1, second)])
    wanted = math.log(second / first) + (first / second) ** 2 / 2 - 0.5
    assert found == pytest.approx(wanted, rel=0.03, abs=1e-3)
