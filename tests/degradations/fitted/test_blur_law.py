"""The law of the blur between knots, against spots whose widths are known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from degflow_aug.degradations.fitted.blur_law import fit_widening, interpolate_blur

KNOTS = torch.tensor([1.0, 2.0, 4.0])


def spots(scales: Tensor, widening: float = 0.5, shape: str = "gaussian") -> Tensor:
    """(K, 2, 31, 31): at scale s a spot of width 0.8 and 0.9 (s^2 - 1)^q; one pixel alone at scale 1."""
    position = torch.arange(31, dtype=torch.float64) - 15
    radius = (position[:, None].square() + position.square()).sqrt()
    found = torch.zeros(len(scales), 2, 31, 31, dtype=torch.float64)
    for row, scale in zip(found, scales.tolist(), strict=True):
        for channel, width in zip(row, (0.8, 0.9), strict=True):
            sigma = width * (scale**2 - 1) ** widening
            if sigma == 0:
                channel[15, 15] = 1
            elif shape == "gaussian":
                channel.copy_(torch.exp(-((radius / sigma) ** 2) / 2))
            else:
                channel.copy_(1 / (1 + (radius / (2 * sigma)) ** 2) ** 4)
    return (found / found.sum((-2, -1), keepdim=True)).float()


@pytest.mark.parametrize("shape", ["gaussian", "halo"])
@pytest.mark.parametrize("widening", [0.45, 0.5])
def test_a_spot_keeps_its_shape(shape: str, widening: float) -> None:
    # A halo at 1.6 is narrower than pixels can hold.
    scales = torch.tensor([1.6, 2.5, 3.0, 3.5] if shape == "gaussian" else [2.5, 3.0, 3.5])
    found = interpolate_blur(KNOTS, spots(KNOTS, widening, shape), scales, widening)
    truth = spots(scales, widening, shape)
    assert ((found - truth).abs().amax((1, 2, 3)) < 0.06 * truth.amax((1, 2, 3))).all()
    torch.testing.assert_close(found.sum((-2, -1)), torch.ones(len(scales), 2))


def test_at_the_knots_it_is_what_was_measured() -> None:
    uneven = spots(KNOTS)
    uneven[1:] += 1e-3 * torch.rand(2, 2, 31, 31, generator=torch.Generator().manual_seed(0))
    uneven = uneven / uneven.sum((-2, -1), keepdim=True)
    torch.testing.assert_close(interpolate_blur(KNOTS, uneven, KNOTS), uneven, rtol=0, atol=1e-6)


@pytest.mark.parametrize("widening", [0.4, 0.5, 0.6])
def test_the_widening_is_found_from_the_knots(widening: float) -> None:
    assert fit_widening(KNOTS, spots(KNOTS, widening)) == pytest.approx(widening, abs=0.011)
    four = torch.tensor([1.0, 2.0, 3.0, 4.0])
    assert fit_widening(four, spots(four, widening)) == pytest.approx(widening, abs=0.011)


def test_two_knots_say_nothing_of_it() -> None:
    two = torch.tensor([1.0, 2.9])
    assert fit_widening(two, spots(two, 0.6)) == 0.5
