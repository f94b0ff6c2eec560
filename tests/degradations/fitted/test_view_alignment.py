from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter, shift

from degflow_aug.degradations.fitted.view_alignment import align, ramp, tukey_weights, weighted_median

WINDOW = 64
ALL_PASS = torch.ones(3, WINDOW, WINDOW // 2 + 1, dtype=torch.complex64)


def windows(moves: list[tuple[float, float]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Smooth windows (N, 3, 64, 64), and the same moved by a spline interpolation."""
    rng = np.random.default_rng(0)
    still, moved = [], []
    for move in moves:
        image = gaussian_filter(rng.standard_normal((3, WINDOW, WINDOW)), (0, 2, 2), mode="wrap")
        still.append(image)
        moved.append(np.stack([shift(channel, move, order=5, mode="grid-wrap") for channel in image]))
    return torch.tensor(np.stack(still)).float(), torch.tensor(np.stack(moved)).float()


def test_shifts_are_those_of_an_interpolation() -> None:
    moves = [(0.0, 0.0), (0.5, -0.3), (-1.0, 1.0), (1.4, 0.2)]
    still, moved = windows(moves)
    found = align(torch.fft.rfft2(still), torch.fft.rfft2(moved), ALL_PASS, WINDOW)
    torch.testing.assert_close(found.shifts, torch.tensor(moves), atol=2e-3, rtol=0)
    assert float(found.residual.max()) < 0.01
    back = torch.fft.irfft2(torch.fft.rfft2(moved) * ramp(found.shifts, WINDOW)[:, None], s=(WINDOW, WINDOW))
    torch.testing.assert_close(back, still, atol=5e-3, rtol=0)


def test_unrelated_windows_leave_everything() -> None:
    still, _ = windows([(0.0, 0.0)] * 4)
    found = align(torch.fft.rfft2(still), torch.fft.rfft2(still.roll(2, 0)), ALL_PASS, WINDOW)
    assert float(found.residual.min()) > 0.8
    assert float(found.shifts.abs().max()) <= 2


def test_windows_without_texture_stay_where_they_are() -> None:
    flat = torch.zeros(2, 3, WINDOW, WINDOW // 2 + 1, dtype=torch.complex64)
    found = align(flat, flat, ALL_PASS, WINDOW)
    assert found.shifts.abs().max() == 0
    assert bool(torch.isfinite(found.residual).all())


def test_weights_fall_to_nothing() -> None:
    weights = tukey_weights(torch.tensor([0.0, 1.0, 3.0, 6.9, 7.0, 100.0]), 1.0)
    cut = 4.685 * 1.4826
    assert weights[1] == pytest.approx((1 - 1 / cut**2) ** 2)
    assert weights[0] == 1
    assert weights[-2:].tolist() == [0, 0]
    assert bool((weights.diff() <= 0).all())
    assert tukey_weights(torch.tensor([5.0]), math.inf).item() == 1


def test_the_weighted_median_is_that_of_repeated_values() -> None:
    rng = np.random.default_rng(1)
    values, counts = rng.standard_normal(9), rng.integers(1, 6, 9)
    if counts.sum() % 2 == 0:
        counts[0] += 1
    assert weighted_median(torch.tensor(values), torch.tensor(counts).double()) == np.median(values.repeat(counts))
