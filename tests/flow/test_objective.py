from __future__ import annotations

from pathlib import Path

import pytest
import torch
from scipy.stats import kstest
from torch import Tensor

from degflow_aug.flow.objective import draw_times, jump, taylor_jump, velocity_loss
from degflow_aug.flow.trajectory import TRAJECTORIES, PathPoint, trajectory


def random_point(name: str, knots: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, PathPoint]:
    """Times (6,), predicted velocities (6, 2, 3) and the points of a random path there."""
    generator = torch.Generator().manual_seed(knots)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)

    times = torch.rand(knots, generator=generator, dtype=torch.float64).add(0.1).cumsum(0).to(dtype)
    t = times[0] + (times[-1] - times[0]) * torch.rand(6, generator=generator, dtype=torch.float64).to(dtype)
    return t, normal(6, 2, 3), trajectory(name)(normal(knots, 6, 2, 3), times, t)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-3)])
@pytest.mark.parametrize("name", list(TRAJECTORIES))
@pytest.mark.parametrize("knots", range(2, 9))
def test_the_closed_form_is_the_taylor_jump(name: str, knots: int, dtype: torch.dtype, tolerance: float) -> None:
    t, velocity, point = random_point(name, knots, dtype)
    by_taylor = taylor_jump(t, velocity, point)
    torch.testing.assert_close(jump(t, velocity, point), by_taylor, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", list(TRAJECTORIES))
def test_the_true_velocity_lands_on_the_next_knot(name: str) -> None:
    t, _, point = random_point(name, 5)
    torch.testing.assert_close(taylor_jump(t, point.velocity, point), point.next_knot, rtol=1e-10, atol=1e-10)


def test_values_of_the_official_code(fixtures: Path) -> None:
    reference = torch.load(fixtures / "tiny_reference.pt", weights_only=True)
    t, velocity = reference["spline_t"], reference["spline_pred_v"]
    point = trajectory("spline")(reference["spline_points"], reference["spline_pos"], t)
    scale = reference["spline_taylor"].abs().max()
    for landing in (jump(t, velocity, point), taylor_jump(t, velocity, point)):
        assert (landing - reference["spline_taylor"]).abs().max() <= 1e-5 * scale
    error = (velocity_loss(velocity, point) - reference["loss_flow"]).abs().max()
    assert error <= 1e-5 * reference["loss_flow"].abs().max()


def test_times_are_uniform_and_keep_off_the_ends() -> None:
    times = draw_times(20_000, torch.device("cpu"), torch.Generator().manual_seed(0), margin=0.1)
    assert times.shape == (20_000,)
    assert 0.1 <= times.min() < 0.101
    assert 0.899 < times.max() <= 0.9
    assert kstest(((times - 0.1) / 0.8).numpy(), "uniform").pvalue > 0.01
    default = draw_times(20_000, torch.device("cpu"), torch.Generator().manual_seed(0))
    assert default.min() >= 1e-5
    assert default.max() <= 1 - 1e-5


def test_times_come_from_the_generator_alone() -> None:
    before = torch.random.get_rng_state()
    first, second = (draw_times(5, torch.device("cpu"), torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(before, torch.random.get_rng_state())
