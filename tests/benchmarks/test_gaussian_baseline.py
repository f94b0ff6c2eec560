"""The Gaussian baseline finds the blur that made the pairs, and its law between them."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from benchmarks.shared.gaussian_baseline import GaussianBlur, blur, fit_gaussian


def textures(count: int = 2, size: int = 64) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(3, size, size + 8, generator=generator) for _ in range(count)]


@pytest.mark.parametrize("sigma", [0.6, 1.3, 3.0])
def test_finds_the_sigma_of_the_pairs(sigma: float) -> None:
    pairs = [
        (hr, {2.5: torch.from_numpy(gaussian_filter(hr.numpy(), (0, sigma, sigma), truncate=6.0))}) for hr in textures()
    ]
    assert fit_gaussian(pairs).sigmas == {2.5: pytest.approx(sigma, abs=0.01)}


def test_fits_every_scale_to_all_of_its_pairs() -> None:
    first, second = textures()
    pairs = [(first, {2.0: blur(first, 1.0), 4.0: blur(first, 2.0)}), (second, {2.0: blur(second, 1.4)})]
    found = fit_gaussian(pairs).sigmas
    assert list(found) == [2.0, 4.0]
    assert found[4.0] == pytest.approx(2.0, abs=0.01)
    assert 1.0 < found[2.0] < 1.4

    def error(sigma: float) -> float:
        return sum(float((blur(hr, sigma) - views[2.0]).square().sum()) for hr, views in pairs)

    assert error(found[2.0]) <= min(error(0.9 + 0.02 * step) for step in range(31)) * (1 + 1e-4)


def test_variance_is_linear_in_the_square_of_the_scale() -> None:
    fitted = GaussianBlur({4.0: 3.0, 2.0: 1.0})
    assert fitted.sigma(1.0) == 0
    assert [fitted.sigma(scale) for scale in (2.0, 4.0)] == pytest.approx([1.0, 3.0])
    assert fitted.sigma(1.5) ** 2 == pytest.approx((1.5**2 - 1) / 3)
    assert fitted.sigma(3.0) ** 2 == pytest.approx(1 + 8 * (9 - 4) / 12)


def test_views_are_blurred_by_that_sigma_and_reflected() -> None:
    fitted = GaussianBlur({2.0: 1.0, 4.0: 3.0})
    hr = torch.stack(textures())
    assert torch.equal(fitted.render(hr, 1.0), hr)
    sigma = math.sqrt(1 + 8 * 5 / 12)
    expected = gaussian_filter(hr.numpy(), (0, 0, sigma, sigma), truncate=6.0, mode="reflect")
    torch.testing.assert_close(fitted.render(hr, 3.0), torch.from_numpy(expected))
    assert fitted(hr, 3.0).shape == (2, 3, 21, 24)


def test_refuses_what_it_was_not_fitted_to() -> None:
    with pytest.raises(ValueError, match="expected a scale from 1 to 2, got 3"):
        GaussianBlur({2.0: 1.0}).render(torch.stack(textures()), 3.0)
    with pytest.raises(ValueError, match="expected sigmas of at least 0 at scales above 1"):
        fit_gaussian([])
