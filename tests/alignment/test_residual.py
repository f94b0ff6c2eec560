"""The verdict: windows with a known field, noise, strangers and too little texture."""

from __future__ import annotations

import math

import numpy as np
import pytest

from degflow_aug.alignment.geometry import Rectangle
from degflow_aug.alignment.residual import judge
from degflow_aug.alignment.windows import Windows

CROP = Rectangle(0, 0, 400, 300)


def windows(field: np.ndarray, noise: float = 0.0, deviation: float = 0.01, seed: int = 0) -> Windows:
    """A grid of 10 x 8 windows displaced by ``field`` (3, 2) times (1, x, y), coordinates from -1 to 1, and noise."""
    x, y = (each.ravel() for each in np.meshgrid(np.linspace(20, 380, 10), np.linspace(20, 280, 8)))
    design = np.column_stack([np.ones(80), (x - 199.5) / 199.5, (y - 149.5) / 149.5])
    displacements = design @ field + np.random.default_rng(seed).normal(0, noise or 1e-12, (80, 2))
    covariance = np.broadcast_to(np.eye(2) * deviation**2, (80, 2, 2)).copy()
    return Windows(np.column_stack([x, y]), displacements, covariance, np.ones(80), np.full(80, 0.99))


def test_a_constant_displacement_is_what_is_left() -> None:
    left = judge(windows(np.array([[0.3, 0.4], [0, 0], [0, 0]])), CROP, 0.3)
    assert (left.median, left.percentile95, left.bound) == pytest.approx((0.5, 0.5, 0.5), abs=1e-6)
    assert (left.windows, left.mismatched) == (80, 0)


def test_the_bound_is_that_of_the_worst_corner() -> None:
    left = judge(windows(np.array([[0, 0], [0.1, 0], [0, -0.2]])), CROP, 0.3)
    assert left.bound == pytest.approx(math.hypot(0.1, 0.2), rel=0.01)
    assert left.median < 0.2


def test_the_bound_holds_the_truth() -> None:
    """With noise in the windows the bound lies above the field that is there, nearly always."""
    field = np.array([[0.05, 0], [0.02, 0.02], [0, 0.03]])
    truth = max(np.hypot(*(np.array([1, a, b]) @ field)) for a in (-1, 1) for b in (-1, 1))
    bounds = [judge(windows(field, noise=0.08, seed=seed), CROP, 0.3).bound for seed in range(100)]
    assert np.mean(np.array(bounds) >= truth) > 0.9
    assert np.median(bounds) < truth + 0.08


def test_a_few_strangers_do_not_bend_the_field_but_many_are_told() -> None:
    few, many = windows(np.zeros((3, 2)), noise=0.01), windows(np.zeros((3, 2)), noise=0.01)
    for each, count in ((few, 3), (many, 12)):
        each.displacements[:count] = 3
        each.correlation[:count] = 0.1
        each.noise[:count] = 50
    assert judge(few, CROP, 0.3).worst < 0.05
    assert judge(many, CROP, 0.3).percentile95 == math.inf
    assert judge(many, CROP, 0.3).mismatched == pytest.approx(12 / 80)


def test_windows_without_texture_say_nothing() -> None:
    faint = windows(np.zeros((3, 2)), deviation=0.2)
    left = judge(faint, CROP, 0.3)
    assert left.windows == 0
    assert left.worst == math.inf


def test_windows_outside_the_crop_do_not_count() -> None:
    assert judge(windows(np.zeros((3, 2))), Rectangle(0, 0, 400, 150), 0.3).windows == 40
