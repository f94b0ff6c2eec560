"""Pairs made smaller together: waves stay where they are, what no longer fits goes, and scales fall by the factor."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from degflow_aug.models.stages.zoomed_pairs import draw_zoom, zoom_pairs


def wave(size: int, pitch: float, cycles: float) -> Tensor:
    """A plane wave of ``cycles`` per pixel of pitch 1 at the centres of pixels of a pitch, (1, 1, 3, size, size)."""
    centres = (torch.arange(size, dtype=torch.float64) + 0.5) * pitch
    phase = 2 * math.pi * cycles * (centres[:, None] + 0.5 * centres)
    return (0.5 + 0.4 * torch.cos(phase)).expand(1, 1, 3, size, size)


@pytest.mark.parametrize(("side", "size"), [(120, 100), (120, 71), (96, 48)])
def test_waves_stay_where_they_are(side: int, size: int) -> None:
    ratio = side / size
    images = torch.cat([wave(128, 1.0, 0.06), wave(128, 1.0, 0.11)], 1)
    found = zoom_pairs(images, side, size)
    assert found.shape == (1, 2, 3, size, size)
    inner = (..., slice(10, -10), slice(10, -10))
    for index, cycles in enumerate((0.06, 0.11)):
        expected = wave(size, ratio, cycles)
        torch.testing.assert_close(found[:, index : index + 1][inner], expected[inner], atol=0.01, rtol=0)


def test_hr_loses_what_no_longer_fits_and_views_lose_nothing() -> None:
    # 0.45 cycles per pixel are 0.675 of the smaller HR's: beyond its half. 0.25 are 0.375 of a view's.
    found = zoom_pairs(torch.cat([wave(120, 1.0, 0.45), wave(120, 1.0, 0.25)], 1), 120, 80)[..., 10:-10, 10:-10]
    assert float(found[:, 0].std()) < 0.02
    assert float(found[:, 1].std()) == pytest.approx(0.4 / math.sqrt(2), rel=0.05)


def test_pairs_of_one_size_stay_as_they_are() -> None:
    images = torch.rand(2, 3, 3, 40, 40)
    torch.testing.assert_close(zoom_pairs(images, 40, 40), images)
    torch.testing.assert_close(zoom_pairs(images, 32, 32), images[..., :32, :32])


@pytest.mark.parametrize(
    ("side", "smallest", "largest"), [(160, 96, 2.0), (160, 96, 1.3), (48, 48, 4.0), (400, 96, 2.9)]
)
def test_drawn_sizes_fit_the_crop_and_the_network(side: int, smallest: int, largest: float) -> None:
    torch.manual_seed(0)
    drawn = [draw_zoom(side, smallest, 64, largest) for _ in range(300)]
    for square, size in drawn:
        assert smallest <= size <= square <= side
        assert (size - smallest) % 64 == 0
        # The square is a whole number of pixels.
        assert square / size <= largest + 0.5 / size
    ratios = [square / size for square, size in drawn]
    assert max(ratios) == pytest.approx(min(largest, side / smallest), rel=0.03)
