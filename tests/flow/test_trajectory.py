"""Paths against SciPy's splines, their own derivatives by autograd, and the official code's values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.interpolate import CubicSpline
from torch import Tensor

from degflow_aug.flow.trajectory import (
    TRAJECTORIES,
    PathPoint,
    linear,
    natural_cubic_spline,
    trajectory,
)

SHAPE = (2, 3)


def random_path(knots: int, batch: int, dtype: torch.dtype, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Points (K, B, *SHAPE), rising uneven times (K,) that do not start at 0, and a t a sample, some on knots."""
    rng = np.random.default_rng(seed * 100 + knots)
    times = rng.uniform(-1, 1) + np.cumsum(rng.uniform(0.1, 1.0, knots))
    t = rng.uniform(times[0], times[-1], batch)
    t[:knots] = times[: min(knots, batch)]
    points = rng.normal(size=(knots, batch, *SHAPE))
    return torch.tensor(points, dtype=dtype), torch.tensor(times, dtype=dtype), torch.tensor(t, dtype=dtype)


def relative_error(value: Tensor, truth: np.ndarray) -> float:
    return float(np.abs(value.double().numpy() - truth).max() / max(np.abs(truth).max(), 1e-12))


def scipy_derivatives(points: Tensor, times: Tensor, t: Tensor) -> list[np.ndarray]:
    """Position and three derivatives (B, ...) of SciPy's natural spline, sample i at t[i]."""
    spline = CubicSpline(times.double().numpy(), points.double().numpy(), bc_type="natural")
    rows = np.arange(points.shape[1])
    return [spline(t.double().numpy(), order)[rows, rows] for order in range(4)]


@pytest.mark.parametrize("knots", range(2, 9))
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-11), (torch.float32, 1e-4)])
def test_spline_is_scipy_s_natural_cubic_spline(knots: int, dtype: torch.dtype, tolerance: float) -> None:
    for seed in range(3):
        points, times, t = random_path(knots, 16, dtype, seed)
        point = natural_cubic_spline(points, times, t)
        assert point.position.dtype == dtype
        truth = scipy_derivatives(points, times, t)
        found = (point.position, point.velocity, point.second, point.third)
        for order, (value, expected) in enumerate(zip(found, truth, strict=True)):
            if knots == 2 and order > 1:
                assert not value.any()
            else:
                assert relative_error(value, expected) < tolerance, order


def test_outer_segments_go_on_beyond_the_knots() -> None:
    points, times, _ = random_path(5, 2, torch.float64)
    t = torch.stack([times[0] - 0.3, times[-1] + 0.4])
    truth = scipy_derivatives(points, times, t)
    assert relative_error(natural_cubic_spline(points, times, t).position, truth[0]) < 1e-11
    assert relative_error(natural_cubic_spline(points, times, t).velocity, truth[1]) < 1e-11


@pytest.mark.parametrize("knots", range(2, 9))
def test_linear_is_numpy_s_interpolation(knots: int) -> None:
    points, times, t = random_path(knots, 12, torch.float64)
    point = linear(points, times, t)
    for sample in range(12):
        for row, column in np.ndindex(*SHAPE):
            truth = np.interp(float(t[sample]), times.numpy(), points[:, sample, row, column].numpy())
            assert float(point.position[sample, row, column]) == pytest.approx(truth, abs=1e-12)
    after, before = linear(points, times, t + 1e-7).position, linear(points, times, t).position
    inside = t < times[-1]
    torch.testing.assert_close(((after - before) / 1e-7)[inside], point.velocity[inside], rtol=1e-5, atol=1e-5)
    assert not point.second.any()
    assert not point.third.any()


@pytest.mark.parametrize("name", list(TRAJECTORIES))
def test_paths_pass_through_every_knot_and_know_the_next(name: str) -> None:
    points, times, _ = random_path(6, 6, torch.float64)
    point = trajectory(name)(points, times, times)
    rows = torch.arange(6)
    torch.testing.assert_close(point.position, points[rows, rows])
    following = torch.tensor([1, 2, 3, 4, 5, 5])
    assert torch.equal(point.next_index, following)
    assert torch.equal(point.next_time, times[following])
    assert torch.equal(point.next_knot, points[following, rows])


@pytest.mark.parametrize("shape", [(), (7,), (4, 8, 8)])
def test_latents_of_any_shape(shape: tuple[int, ...]) -> None:
    points = torch.randn(3, 5, *shape, generator=torch.Generator().manual_seed(0))
    point = natural_cubic_spline(points, torch.tensor([0.0, 0.4, 1.0]), torch.full((5,), 0.7))
    assert point.position.shape == point.third.shape == (5, *shape)


@pytest.mark.parametrize(("name", "key"), [("spline", "spline_out"), ("linear", "linear_out")])
def test_values_of_the_official_code(fixtures: Path, name: str, key: str) -> None:
    reference = torch.load(fixtures / "tiny_reference.pt", weights_only=True)
    point: PathPoint = trajectory(name)(reference["spline_points"], reference["spline_pos"], reference["spline_t"])
    found = torch.stack([point.position, point.velocity, point.second, point.third])
    for value, truth in zip(found, reference[key], strict=True):
        assert (value - truth).abs().max() <= 1e-5 * max(truth.abs().max(), 1e-6)
    assert torch.equal(point.next_index, reference["spline_right_index"])


@pytest.mark.parametrize(
    ("points", "times", "t", "message"),
    [
        ((1, 2, 3), 1, 2, "K >= 2 knots"),
        ((3, 2, 3), 2, 2, "K >= 2 knots"),
        ((3,), 3, 2, "K >= 2 knots"),
        ((3, 2, 3), 3, 4, r"one time a sample, shape \(2,\)"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(points: tuple[int, ...], times: int, t: int, message: str) -> None:
    for path in TRAJECTORIES.values():
        with pytest.raises(ValueError, match=message):
            path(torch.zeros(points), torch.arange(times) / 1.0, torch.zeros(t))


def test_an_unknown_trajectory_is_refused() -> None:
    with pytest.raises(ValueError, match="out of spline, linear, got 'pchip'"):
        trajectory("pchip")
