"""Sharpening taps of the LR grid on the HR grid, against shifted copies of images that are known everywhere."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from degflow_aug.degradations.convolution import convolve
from degflow_aug.degradations.fitted.view_parameters import TAPS, cubic, kernel_side, sharpening_kernels


def taps(seed: int = 0) -> Tensor:
    """Random taps of sum 1 (1, 3, 7, 7), the middle one above 1."""
    found = -0.02 * torch.rand(1, 3, TAPS, TAPS, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    found[..., TAPS // 2, TAPS // 2] += 1 - found.sum((-2, -1))
    return found


def wave(y: Tensor, x: Tensor) -> Tensor:
    """A smooth image at any place: waves of 13 pixels and longer."""
    return 0.5 + 0.2 * torch.sin(2 * math.pi * (x / 17 + y / 23)) + 0.1 * torch.cos(2 * math.pi * (x / 13 - y / 31))


@pytest.mark.parametrize("scale", [1.0, 1.5, 2.0, 2.9, 3.5, 4.0])
def test_a_sharpened_image_is_the_sum_of_its_copies_an_lr_pixel_apart(scale: float) -> None:
    rows, columns = torch.meshgrid(*[torch.arange(96, dtype=torch.float64)] * 2, indexing="ij")
    weights = taps()
    kernel = sharpening_kernels(weights, torch.tensor([scale]), kernel_side(4.0))
    found = convolve(wave(rows, columns).expand(1, 3, -1, -1), kernel)
    direct = torch.zeros(1, 3, 96, 96, dtype=torch.float64)
    for i in range(TAPS):
        for j in range(TAPS):
            shift = scale * (i - TAPS // 2), scale * (j - TAPS // 2)
            direct += weights[..., i, j][..., None, None] * wave(rows - shift[0], columns - shift[1])
    inner = slice(20, -20)
    torch.testing.assert_close(found[..., inner, inner], direct[..., inner, inner], rtol=0, atol=1e-3)
    torch.testing.assert_close(kernel.sum((-2, -1)), torch.ones(1, 3, dtype=torch.float64))


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_at_whole_scales_taps_lie_on_pixels(scale: int) -> None:
    side, weights = kernel_side(4.0), taps(1)
    kernel = sharpening_kernels(weights, torch.tensor([float(scale)]), side)
    places = torch.arange(-(TAPS // 2), TAPS // 2 + 1) * scale + side // 2
    torch.testing.assert_close(kernel[..., places[:, None], places], weights)
    assert int((kernel.abs() > 1e-12).sum()) == 3 * TAPS**2


def test_the_spline_interpolates() -> None:
    places = torch.arange(-3, 4, dtype=torch.float64)
    torch.testing.assert_close(cubic(places), (places == 0).double())
    offsets = torch.linspace(0, 1, 11, dtype=torch.float64)
    torch.testing.assert_close(cubic(offsets[:, None] - places).sum(1), torch.ones(11, dtype=torch.float64))


@pytest.mark.parametrize("scale", [1.3, 2.0, 2.9, 4.0, 8.0])
def test_kernels_hold_all_of_it(scale: float) -> None:
    side = kernel_side(scale)
    assert side % 2 == 1
    wider = sharpening_kernels(taps(), torch.tensor([scale]), side + 10)
    torch.testing.assert_close(wider[..., 5:-5, 5:-5], sharpening_kernels(taps(), torch.tensor([scale]), side))
