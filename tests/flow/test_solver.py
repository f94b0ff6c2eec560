"""Solvers against exact solutions: their orders are measured, and what a batch may not change is checked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from degflow_aug.archs.generator.ncsnpp_arch import NCSNpp
from degflow_aug.flow.solver import (
    EVALUATIONS,
    SOLVERS,
    RK45Path,
    Velocity,
    check_solver,
    default_steps,
    integrate,
    integrate_rk45,
    jump_to,
    jumps,
    solver_step,
)

ORDERS = {"euler": 1, "midpoint": 2, "heun": 2, "rk4": 4}
START = torch.tensor([[0.5, -0.3], [1.2, 0.8], [-0.7, 2.0]], dtype=torch.float64)
ENDS = torch.tensor([1.0, 0.4, 0.7], dtype=torch.float64)


def _column(t: Tensor) -> Tensor:
    return t[:, None]


def rotation(z: Tensor, t: Tensor) -> Tensor:
    """z' = 3 J z turns each sample by 3 t."""
    return 3 * torch.stack([-z[:, 1], z[:, 0]], 1)


def rotated(z: Tensor, t: Tensor) -> Tensor:
    c, s = torch.cos(3 * t), torch.sin(3 * t)
    return torch.stack([c * z[:, 0] - s * z[:, 1], s * z[:, 0] + c * z[:, 1]], 1)


def swing(z: Tensor, t: Tensor) -> Tensor:
    """z' = z cos(3 t), which depends on t as well: z = z0 exp(sin(3 t) / 3)."""
    return z * torch.cos(3 * _column(t))


def swung(z: Tensor, t: Tensor) -> Tensor:
    return z * torch.exp(torch.sin(3 * _column(t)) / 3)


def riccati(z: Tensor, t: Tensor) -> Tensor:
    """z' = -z^2 (1 + t), not linear: z = 1 / (1/z0 + t + t^2/2), on |z0| + 0.5 so that there is no pole."""
    return -(z**2) * (1 + _column(t))


def riccati_solution(z: Tensor, t: Tensor) -> Tensor:
    return 1 / (1 / z + _column(t) + _column(t) ** 2 / 2)


FIELDS: dict[str, tuple[Velocity, Callable[[Tensor, Tensor], Tensor], Tensor]] = {
    "rotation": (rotation, rotated, START),
    "swing": (swing, swung, START),
    "riccati": (riccati, riccati_solution, START.abs() + 0.5),
}


class Counted:
    """A velocity that counts its evaluations and keeps the times it saw."""

    def __init__(self, velocity: Velocity) -> None:
        self.velocity, self.times = velocity, list[Tensor]()

    def __call__(self, z: Tensor, t: Tensor) -> Tensor:
        self.times.append(t.clone())
        return self.velocity(z, t)


@pytest.mark.parametrize("field", list(FIELDS))
@pytest.mark.parametrize("solver", list(SOLVERS))
def test_the_measured_order_is_the_method_s(solver: str, field: str) -> None:
    velocity, solution, start = FIELDS[field]
    steps = np.array([16, 24, 32, 48, 64, 96])
    truth = solution(start, ENDS)
    errors = [float((integrate(velocity, start, ENDS, int(n), solver) - truth).abs().max()) for n in steps]
    slope = np.polyfit(np.log(1 / steps), np.log(errors), 1)[0]
    assert slope == pytest.approx(ORDERS[solver], abs=0.2)


@pytest.mark.parametrize("solver", list(SOLVERS))
def test_each_sample_goes_to_its_own_end_as_if_alone(solver: str) -> None:
    together = integrate(swing, START, ENDS, 5, solver)
    for sample in range(3):
        alone = integrate(swing, START[sample : sample + 1], ENDS[sample : sample + 1], 5, solver)
        torch.testing.assert_close(together[sample], alone[0], rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("solver", list(SOLVERS))
def test_a_constant_velocity_is_followed_exactly_and_time_zero_stays(solver: str) -> None:
    velocity = torch.randn(3, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    end = torch.tensor([0.0, 0.5, 1.0])
    found = integrate(lambda z, t: velocity, torch.ones(3, 2, 4, 4), end, 1, solver)
    torch.testing.assert_close(found, 1 + end[:, None, None, None] * velocity)
    assert torch.equal(found[0], torch.ones(2, 4, 4))


@pytest.mark.parametrize(("solver", "steps"), [(solver, steps) for solver in SOLVERS for steps in (1, 3)])
def test_evaluations_are_counted_right_and_stay_within_the_path(solver: str, steps: int) -> None:
    counted = Counted(swing)
    integrate(counted, START, ENDS, steps, solver)
    assert len(counted.times) == steps * EVALUATIONS[solver]
    assert not counted.times[0].any()
    assert all((t <= ENDS + 1e-12).all() for t in counted.times)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("solver", list(SOLVERS))
def test_the_state_keeps_its_dtype(solver: str, dtype: torch.dtype) -> None:
    found = integrate(lambda z, t: -z, START.to(dtype), ENDS.float(), 2, solver)
    assert found.dtype == dtype


def test_rk45_finds_the_exact_path_at_times_in_any_order() -> None:
    times = [0.8, 0.2, 1.0]
    states, evaluations = integrate_rk45(swing, START, times, tolerance=1e-10, start=0.0)
    assert states.dtype == torch.float64
    assert evaluations > 10
    for time, z in zip(times, states, strict=True):
        torch.testing.assert_close(z, swung(START, torch.full((3,), time, dtype=torch.float64)), rtol=1e-8, atol=1e-8)


def test_rk45_starts_late_with_the_first_state_as_the_official_sampler_does() -> None:
    states, _ = integrate_rk45(lambda z, t: torch.ones_like(z), START, [1.0], start=0.25)
    torch.testing.assert_close(states[0], START + 0.75)


def test_one_rk45_path_serves_all_times_and_waits_at_its_start() -> None:
    path = RK45Path(lambda z, t: torch.ones_like(z), START, start=0.25)
    assert path.at(0.0) is path.at(0.25) is START
    for time in (0.3, 1.0):
        torch.testing.assert_close(path.at(time), START + time - 0.25)


def test_rk45_of_what_is_no_number_ends() -> None:
    with pytest.raises(ValueError, match=r"expected velocities that are numbers, got NaN or infinity at t = 0\.001"):
        RK45Path(lambda z, t: z * torch.nan, START)


@pytest.mark.parametrize("key", ["rk45_z", "rk45_batch_z"])
def test_rk45_reproduces_the_official_sampler(fixtures: Path, key: str) -> None:
    reference = torch.load(fixtures / "tiny_reference.pt", weights_only=True)
    state = torch.load(fixtures / "tiny_flow.pth", weights_only=True)["model"]
    network = NCSNpp(base_channels=16, blocks=1).eval()
    network.load_state_dict({name: value for name, value in state.items() if name != "sigmas"})
    start = reference["latent"] if key == "rk45_z" else reference["batch_z"]
    states, evaluations = integrate_rk45(lambda z, t: 0.1 * network(z, t), start, reference["rk45_t"].tolist())
    assert (states - reference[key]).abs().max() < 1e-3
    assert evaluations == pytest.approx(reference[key.replace("_z", "_nfev")], rel=0.1)


@pytest.mark.parametrize(
    ("steps", "ends"), [(0, torch.zeros(3)), (-1, torch.zeros(3)), (2, torch.zeros(2)), (2, torch.zeros(3, 1))]
)
def test_no_step_or_misfit_ends_are_refused(steps: int, ends: Tensor) -> None:
    with pytest.raises(ValueError, match=r"steps >= 1 and end times \(3,\)"):
        integrate(swing, START, ends, steps)


def test_an_unknown_solver_is_refused() -> None:
    message = "out of euler, midpoint, heun, rk4, rk45, got 'dopri5'"
    with pytest.raises(ValueError, match=message):
        solver_step("dopri5")
    with pytest.raises(ValueError, match=message):
        integrate(swing, START, ENDS, 1, "dopri5")


RATE = 1.7


def growth(z: Tensor, t: Tensor) -> Tensor:
    """z' = a z."""
    return RATE * z


def average_growth(z: Tensor, t: Tensor, end: Tensor) -> Tensor:
    """Its average from t to end: z (exp(a (end - t)) - 1) / (end - t), which is a z where they meet."""
    gap = _column(end - t)
    return z * torch.where(gap > 0, torch.expm1(RATE * gap) / gap.clamp(min=1e-12), torch.full_like(gap, RATE))


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_jumps_of_the_exact_average_velocity_land_exactly(steps: int) -> None:
    torch.testing.assert_close(
        jumps(average_growth, START, ENDS, steps), START * torch.exp(RATE * _column(ENDS)), rtol=1e-13, atol=1e-13
    )
    assert (integrate(growth, START, ENDS, 7, "euler") - START * torch.exp(RATE * _column(ENDS))).abs().max() > 0.5


def test_one_jump_is_the_default_and_blind_ones_are_euler_steps() -> None:
    assert torch.equal(jumps(average_growth, START, ENDS), jump_to(average_growth, START, torch.zeros(3), ENDS))
    for steps in (1, 4):
        euler = integrate(swing, START, ENDS, steps, "euler")
        torch.testing.assert_close(jumps(lambda z, t, end: swing(z, t), START, ENDS, steps), euler)


def test_a_jump_to_where_it_starts_stays() -> None:
    assert torch.equal(jump_to(average_growth, START, ENDS, ENDS), START)
    assert torch.equal(jumps(average_growth, START, torch.zeros(3, dtype=torch.float64)), START)


@pytest.mark.parametrize(("steps", "ends"), [(0, torch.zeros(3)), (1, torch.zeros(2)), (1, torch.zeros(3, 1))])
def test_no_jump_or_misfit_ends_are_refused(steps: int, ends: Tensor) -> None:
    with pytest.raises(ValueError, match=r"steps >= 1 and end times \(3,\)"):
        jumps(average_growth, START, ends, steps)


def test_each_kind_of_network_has_its_solvers() -> None:
    for name in (*SOLVERS, "rk45"):
        check_solver(name, end_time=False)
        assert default_steps(name) == (1 if name == "rk45" else 2)
        with pytest.raises(ValueError, match=f"expected the solver jump .*, got '{name}'"):
            check_solver(name, end_time=True)
    check_solver("jump", end_time=True)
    assert default_steps("jump") == 1
    with pytest.raises(
        ValueError, match=r"out of euler, midpoint, heun, rk4, rk45, got 'jump', which needs .* end_time"
    ):
        check_solver("jump", end_time=False)
    with pytest.raises(ValueError, match="out of euler, midpoint, heun, rk4, rk45, got 'jmp'"):
        check_solver("jmp", end_time=False)
