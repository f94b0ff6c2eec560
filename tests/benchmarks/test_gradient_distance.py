"""The gradient distance against closed forms and SciPy's Wasserstein distance."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import wasserstein_distance

from benchmarks.realism.gradient_distance import gradient_distance


def test_ramps_differ_by_their_slopes() -> None:
    """Gray levels a pixel to the right, and along a diagonal of 3 and 4."""
    ramp = (torch.arange(24, dtype=torch.float64) / 255).expand(1, 3, 24, 24)
    assert gradient_distance(1.5 * ramp, 4 * ramp).item() == pytest.approx(2.5, abs=1e-9)
    assert gradient_distance(3 * ramp + 4 * ramp.mT, 0 * ramp).item() == pytest.approx(5.0, abs=1e-9)


@pytest.mark.parametrize("size", [(2, 2), (17, 33)])
def test_equals_scipy_wherever_edges_lie(size: tuple[int, int]) -> None:
    a, b = torch.rand(2, 3, 3, *size, generator=torch.Generator().manual_seed(1))
    for index, found in enumerate(gradient_distance(a, b)):
        magnitudes = []
        for image in (a[index], b[index]):
            gray = np.tensordot([0.299, 0.587, 0.114], image.double().numpy() * 255, axes=1)
            magnitudes.append(np.sqrt(np.diff(gray, axis=0)[:, :-1] ** 2 + np.diff(gray, axis=1)[:-1] ** 2))
        assert found.item() == pytest.approx(wasserstein_distance(*map(np.ravel, magnitudes)), rel=1e-5)
