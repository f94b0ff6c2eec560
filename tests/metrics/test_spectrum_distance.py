"""The spectrum distance against closed forms and a second implementation in NumPy."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from degflow_aug.metrics.spectrum_distance import radial_power, spectrum_distance


def noise(seed: int, deviation: float, height: int = 64, width: int = 96) -> torch.Tensor:
    """Gray noise (1, 3, H, W) of ``deviation`` gray levels around 0.5."""
    generator = torch.Generator().manual_seed(seed)
    return 0.5 + deviation / 255 * torch.randn(1, 1, height, width, dtype=torch.float64, generator=generator).expand(
        1, 3, -1, -1
    )


def test_white_noise_has_its_variance_in_every_ring() -> None:
    powers = radial_power(torch.cat([noise(seed, 8.0)[:, 0] * 255 for seed in range(64)]))
    assert powers.shape == (64, 32)
    # The mean and the window lower the first two; the next few hold so few frequencies that they scatter.
    assert torch.allclose(powers[:, 6:].mean(0), torch.tensor(64.0, dtype=torch.float64), rtol=0.1)
    assert powers[:, 2:].mean().item() == pytest.approx(64, rel=0.02)


@pytest.mark.parametrize("factor", [0.25, 0.5, 2.0])
def test_contrast_counts_as_its_decibels(factor: float) -> None:
    image = noise(0, 40.0)
    found = spectrum_distance(image, 0.5 + factor * (image - 0.5)).item()
    assert found == pytest.approx(abs(20 * math.log10(factor)), abs=0.02)


def test_a_sinusoid_lies_in_the_ring_of_its_frequency() -> None:
    position = torch.arange(64, dtype=torch.float64)
    gray = (20 * torch.sin(2 * math.pi * position * 10 / 64)).expand(1, 64, 64)
    assert int(radial_power(gray)[0].argmax()) == 10


def test_neither_turn_nor_brightness_counts() -> None:
    image = noise(1, 10.0, 64, 64)
    for other in (image.mT, image + 0.1):
        assert spectrum_distance(image, other).item() == pytest.approx(0, abs=1e-9)
    assert spectrum_distance(image, image).item() == 0


def test_what_rounding_hides_does_not_count() -> None:
    flat = torch.full((1, 3, 32, 32), 0.5, dtype=torch.float64)
    assert spectrum_distance(flat, noise(2, 1e-3, 32, 32)).item() < 1e-3


@pytest.mark.parametrize("size", [(16, 16), (33, 48), (64, 41)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equals_a_second_implementation(size: tuple[int, int], dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(3)
    a, b = (torch.rand(2, 3, *size, dtype=dtype, generator=generator) * shade for shade in (1.0, 0.3))
    expected = []
    for index in range(2):
        levels = []
        for image in (a[index], b[index]):
            gray = np.tensordot([0.299, 0.587, 0.114], image.double().numpy() * 255, axes=1)
            window = np.outer(*(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(side) / side) for side in size))
            power = np.abs(np.fft.fft2((gray - gray.mean()) * window)) ** 2 / (window**2).sum()
            radius = np.hypot(np.fft.fftfreq(size[0])[:, None], np.fft.fftfreq(size[1]))
            edges = np.arange(min(size) // 2 + 1) / (2 * (min(size) // 2)) - 1e-12
            rings = [power[(radius >= low) & (radius < high)].mean() for low, high in itertools.pairwise(edges[1:])]
            levels.append(10 * np.log10(np.array(rings) + 1 / 12))
        expected.append(np.abs(levels[0] - levels[1]).mean())
    found = spectrum_distance(a, b)
    assert found.dtype == torch.float64
    assert found.tolist() == pytest.approx(expected, rel=1e-5)


def test_refuses_other_shapes() -> None:
    a = torch.zeros(1, 3, 16, 16)
    with pytest.raises(ValueError, match="RGB images"):
        spectrum_distance(a[:, :1], a[:, :1])
    with pytest.raises(ValueError, match="at least 16x16, got 15x16"):
        spectrum_distance(a[:, :, :15], a[:, :, :15])
