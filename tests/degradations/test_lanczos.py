from __future__ import annotations

import math

import pytest
import torch

from degflow_aug.degradations.lanczos import LOBES, sample


def waves(rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """A band-limited image, a quarter of the Nyquist frequency at most, at any positions."""
    return 0.5 + 0.2 * torch.cos(0.7 * rows[:, None] + 0.3) * torch.sin(0.5 * columns + 1.0)


@pytest.mark.parametrize(("step", "offset"), [(1.0, (0.5, -0.3)), (2.7, (0.85, 0.85)), (0.4, (0.1, 0.2))])
def test_interpolates_a_band_limited_image(step: float, offset: tuple[float, float]) -> None:
    image = waves(torch.arange(64.0).double(), torch.arange(80.0).double())[None, None]
    size = (math.floor(60 / step), math.floor(76 / step))
    rows, columns = (step * torch.arange(n).double() + o for n, o in zip(size, offset, strict=True))
    result = sample(image, size, step, offset)[0, 0]
    inside = ((rows > 5) & (rows < 58))[:, None] & ((columns > 5) & (columns < 74))
    torch.testing.assert_close(result[inside], waves(rows, columns)[inside], atol=2e-3, rtol=0)


def test_whole_positions_return_the_pixels() -> None:
    image = torch.rand(2, 3, 9, 12, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(sample(image, (9, 12), 1.0, (0.0, 0.0)), image, atol=1e-6, rtol=0)
    torch.testing.assert_close(sample(image, (3, 4), 3.0, (1.0, 1.0)), image[..., 1::3, 1::3], atol=1e-6, rtol=0)


def test_constants_stay_at_the_border() -> None:
    image = torch.full((1, 3, 3, 2), 0.37)
    torch.testing.assert_close(sample(image, (9, 9), 0.4, (-0.8, -0.8)), torch.full((1, 3, 9, 9), 0.37))


def test_weights_of_a_width_are_those_of_the_wider_windowed_sinc() -> None:
    # A row per pixel, 1 there, gives the weight of that pixel in each of twenty.
    pixels = torch.eye(30, dtype=torch.float64)[:, None, None].expand(-1, 1, 30, -1)
    weights = sample(pixels, (30, 20), 1.5, (0.0, 0.25), width=1.5)[:, 0, 9].T
    torch.testing.assert_close(weights.sum(1), torch.ones(20, dtype=torch.float64))
    # The middle of pixel 9 lies at 13.75, 0.25 from pixel 14 and 1.25 from pixel 15.
    ratio = weights[9, 15] / weights[9, 14]

    def lanczos(x: float) -> float:
        a, b = math.pi * x / 1.5, math.pi * x / 1.5 / LOBES
        return math.sin(a) / a * math.sin(b) / b

    assert float(ratio) == pytest.approx(lanczos(1.25) / lanczos(0.25))
