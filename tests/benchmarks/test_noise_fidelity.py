"""The noise measures against closed forms and SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import signal
from torch import Tensor

from benchmarks.realism.noise_fidelity import (
    autocorrelation,
    excess_kurtosis,
    log_ratio_error,
    radial_spectrum,
    variance_by,
)


def white(seed: int, deviation: float = 1.0, shape: tuple[int, ...] = (2, 3, 256, 300)) -> Tensor:
    return deviation * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_variance_by_a_key() -> None:
    key = torch.rand(2, 1, 256, 300, generator=torch.Generator().manual_seed(5))
    residual = white(0) * key
    edges = torch.tensor([0.0, 0.25, 0.5, 0.9])
    found, counts = variance_by([residual[:1], residual[1:]], [key[:1], key[1:]], edges)
    wanted = [(b**3 - a**3) / (3 * (b - a)) for a, b in ((0, 0.25), (0.25, 0.5), (0.5, 0.9))]
    assert found.tolist() == pytest.approx(wanted, rel=0.02)
    assert (counts / key.numel()).tolist() == pytest.approx([0.25, 0.25, 0.4], rel=0.02)
    assert math.isnan(variance_by([residual], [key], torch.tensor([2.0, 3.0]))[0])


def test_log_ratio_is_in_decibel() -> None:
    real, generated = torch.tensor([1.0, 2.0, 0.0]), torch.tensor([10.0, 2.0, 5.0])
    assert log_ratio_error(real, generated) == pytest.approx(10 / 2**0.5)
    assert log_ratio_error(real, generated, torch.tensor([1.0, 3.0, 9.0])) == pytest.approx(5)


def test_autocorrelation_of_white_and_of_averaged_noise() -> None:
    found = autocorrelation([white(0)])
    wanted = torch.zeros(2, 8, 3, 3, dtype=torch.float64)
    wanted[:, 0] = torch.eye(3)
    assert torch.allclose(found, wanted, atol=0.01)
    noise = white(1)
    smooth = noise[..., 1:] + noise[..., :-1]
    smooth = torch.cat([smooth, smooth[:, :1] + white(2)[:, :1, :, 1:]], 1)[:, [0, 1, 3]]
    found = autocorrelation([smooth], 2)
    assert found[0, 1, 0, 0] == pytest.approx(0.5, abs=0.01)
    assert found[1, 1, 0, 0] == pytest.approx(0, abs=0.01)
    assert found[0, 0, 0, 2] == pytest.approx((2 / 3) ** 0.5, abs=0.01)
    assert found[0, 1, 0, 2] == pytest.approx((2 / 3) ** 0.5 / 2, abs=0.01)


def test_autocorrelation_knows_the_direction() -> None:
    noise = white(3)
    late = torch.stack([noise[:, 0, :, 2:], noise[:, 0, :, :-2], noise[:, 1, :, 2:]], 1)
    # What is in channel 0 at a pixel is in channel 1 two pixels to the right.
    found = autocorrelation([late], 3)
    assert found[0, 2, 0, 1] == pytest.approx(1, abs=0.02)
    assert found[0, 2, 1, 0] == pytest.approx(0, abs=0.02)
    assert float(autocorrelation([torch.zeros(1, 3, 9, 9)]).abs().max()) == 0


def test_spectrum_of_white_and_of_filtered_noise() -> None:
    frequencies, density = radial_spectrum([white(0, 0.5), white(1, 0.5)])
    assert frequencies[0] == pytest.approx(1 / 64)
    assert frequencies[-1] == pytest.approx(31 / 64)
    assert density.tolist() == pytest.approx([0.25] * 16, rel=0.1)
    filters = np.outer([1, 2, 1], [1, 2, 1]) / 16
    smooth = signal.convolve(white(2).numpy(), filters[None, None], mode="valid")
    found = radial_spectrum([torch.from_numpy(smooth)], 64, 16)[1]
    grid = np.meshgrid(*[np.fft.fftfreq(64)] * 2, indexing="ij")
    response = np.prod([np.cos(np.pi * axis) ** 4 for axis in grid], axis=0)
    rings = (np.hypot(*grid) * 32).astype(int)
    wanted = [response[rings == ring].mean() for ring in range(12)]
    assert found[:12].tolist() == pytest.approx(wanted, rel=0.1)


def test_excess_kurtosis_of_known_distributions() -> None:
    assert excess_kurtosis([white(0)]) == pytest.approx(0, abs=0.05)
    uniform = torch.rand(2, 3, 256, 300, generator=torch.Generator().manual_seed(0)) - 0.5
    assert excess_kurtosis([uniform]) == pytest.approx(-1.2, abs=0.02)
    laplace = torch.distributions.Laplace(0.0, 1.0)
    torch.manual_seed(0)
    assert excess_kurtosis([laplace.sample((4, 3, 256, 300))]) == pytest.approx(3, rel=0.1)
