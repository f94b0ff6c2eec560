"""The laws of blur and sharpening between knots, against images and kernels that are known everywhere."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from degflow_aug.degradations.convolution import convolve
from degflow_aug.degradations.fitted.kernel_interpolation import (
    TAPS,
    cubic,
    fit_widening,
    interpolate_blur,
    interpolate_kernels,
    kernel_side,
    sharpening_kernels,
)

KNOTS = torch.tensor([1.0, 2.0, 4.0])


def gaussians(variances: list[float], shifts: list[float]) -> Tensor:
    """Kernels (n, 3, 31, 31) from the closed-form transfer function of a shifted Gaussian."""
    frequency = 2 * torch.pi * torch.fft.fftfreq(128, dtype=torch.float64)
    squared = frequency[:, None] ** 2 + frequency**2
    result = []
    for variance, shift in zip(variances, shifts, strict=True):
        transfer = torch.polar(torch.exp(-variance * squared / 2), -shift * frequency.expand(128, 128))
        kernel = torch.fft.ifft2(transfer).real.roll((15, 15), (0, 1))[:31, :31]
        result.append((kernel / kernel.sum()).expand(3, 31, 31))
    return torch.stack(result).float()


def test_law_is_exact_for_gaussians_whose_variance_is_linear_in_the_square_of_the_scale() -> None:
    def law(scale: float) -> float:
        return 0.025 * (scale**2 - 1)

    # Below both floors nowhere; the tolerance is what 31 pixels cut off.
    scales = [1.0, 1.3, 1.5, 2.0, 2.7, 3.5, 4.0]
    kernels = interpolate_kernels(KNOTS, gaussians([law(s) for s in KNOTS.tolist()], [0] * 3), torch.tensor(scales))
    torch.testing.assert_close(kernels, gaussians([law(s) for s in scales], [0] * len(scales)), atol=5e-4, rtol=0)


def test_shifts_are_linear_in_the_square_of_the_scale() -> None:
    kernel = interpolate_kernels(KNOTS, gaussians([0.4, 0.8, 1.2], [0.0, 0.3, 0.1]), torch.tensor([3.0]))[0, 0]
    position = torch.arange(31) - 15
    for frequency in (0.3, 0.8):
        phase = torch.angle((kernel.sum(0) * torch.exp(-1j * frequency * position)).sum())
        assert float(phase) == pytest.approx(-frequency * (0.3 - 0.2 * 5 / 12), abs=2e-3)


def test_any_kernel_is_met_at_its_knot_and_approached() -> None:
    noise = torch.rand(3, 3, 31, 31, generator=torch.Generator().manual_seed(0))
    kernels = noise / noise.sum((-2, -1), keepdim=True)
    torch.testing.assert_close(interpolate_kernels(KNOTS, kernels, KNOTS), kernels, atol=1e-6, rtol=0)
    near = interpolate_kernels(KNOTS, kernels, torch.tensor([1.999, 2.001]))
    torch.testing.assert_close(near, kernels[1].expand_as(near), atol=2e-3, rtol=0)


def test_kernels_sum_to_one() -> None:
    kernels = interpolate_kernels(KNOTS, gaussians([0.0, 0.9, 4.5], [0, 0.2, 0.5]), torch.linspace(1, 4, 50))
    torch.testing.assert_close(kernels.sum((-2, -1)), torch.ones(50, 3))


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


def test_at_the_knots_the_blur_is_what_was_measured() -> None:
    uneven = spots(KNOTS)
    uneven[1:] += 1e-3 * torch.rand(2, 2, 31, 31, generator=torch.Generator().manual_seed(0))
    uneven = uneven / uneven.sum((-2, -1), keepdim=True)
    torch.testing.assert_close(interpolate_blur(KNOTS, uneven, KNOTS), uneven, rtol=0, atol=1e-6)


@pytest.mark.parametrize("widening", [0.4, 0.5, 0.6])
def test_the_widening_is_found_from_the_knots(widening: float) -> None:
    assert fit_widening(KNOTS, spots(KNOTS, widening)) == pytest.approx(widening, abs=0.011)
    four = torch.tensor([1.0, 2.0, 3.0, 4.0])
    assert fit_widening(four, spots(four, widening)) == pytest.approx(widening, abs=0.011)


def test_two_knots_say_nothing_of_the_widening() -> None:
    two = torch.tensor([1.0, 2.9])
    assert fit_widening(two, spots(two, 0.6)) == 0.5


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
def test_kernels_hold_all_of_the_sharpening(scale: float) -> None:
    side = kernel_side(scale)
    assert side % 2 == 1
    wider = sharpening_kernels(taps(), torch.tensor([scale]), side + 10)
    torch.testing.assert_close(wider[..., 5:-5, 5:-5], sharpening_kernels(taps(), torch.tensor([scale]), side))
