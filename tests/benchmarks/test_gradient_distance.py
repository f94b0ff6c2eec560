"""The gradient distance against closed forms and SciPy's Wasserstein distance."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import wasserstein_distance

from benchmarks.realism.gradient_distance import gradient_distance


def ramp(slope: float, height: int = 16, width: int = 24) -> torch.Tensor:
    """Gray (1, 3, H, W) that rises by ``slope`` gray levels a pixel to the right."""
    return (torch.arange(width, dtype=torch.float64) * slope / 255).expand(1, 3, height, width)


@pytest.mark.parametrize(("slope", "other"), [(0.0, 3.0), (1.5, 4.0), (4.0, 1.0)])
def test_ramps_differ_by_their_slopes(slope: float, other: float) -> None:
    assert gradient_distance(ramp(slope), ramp(other)).item() == pytest.approx(abs(slope - other), abs=1e-9)


def test_diagonal_ramp_has_the_length_of_its_gradient() -> None:
    diagonal = ramp(3.0, 20, 20) + 4 / 3 * ramp(3.0, 20, 20).mT
    assert gradient_distance(diagonal, torch.zeros_like(diagonal)).item() == pytest.approx(5.0, abs=1e-9)


def test_where_edges_lie_does_not_matter() -> None:
    image = torch.rand(2, 3, 20, 20, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    padded = torch.cat([image, image], dim=3)
    moved = padded.roll(20, dims=3)
    assert torch.allclose(gradient_distance(padded, moved), torch.zeros(2, dtype=torch.float64), atol=1e-12)


@pytest.mark.parametrize("size", [(2, 2), (17, 33)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equals_scipy(size: tuple[int, int], dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(1)
    a, b = (torch.rand(3, 3, *size, dtype=dtype, generator=generator) for _ in range(2))
    found = gradient_distance(a, b)
    assert found.dtype == torch.float64
    for index in range(3):
        magnitudes = []
        for image in (a[index], b[index]):
            gray = np.tensordot([0.299, 0.587, 0.114], image.double().numpy() * 255, axes=1)
            magnitudes.append(np.sqrt(np.diff(gray, axis=0)[:, :-1] ** 2 + np.diff(gray, axis=1)[:-1] ** 2))
        expected = wasserstein_distance(*(values.ravel() for values in magnitudes))
        assert found[index].item() == pytest.approx(expected, rel=1e-5)


def test_refuses_other_shapes() -> None:
    a = torch.zeros(1, 3, 16, 16)
    with pytest.raises(ValueError, match=r"of one shape, got \(1, 3, 16, 16\) and \(1, 3, 16, 17\)"):
        gradient_distance(a, torch.zeros(1, 3, 16, 17))
    with pytest.raises(ValueError, match="at least 2x2, got 1x16"):
        gradient_distance(a[:, :, :1], a[:, :, :1])
