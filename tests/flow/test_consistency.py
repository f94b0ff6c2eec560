"""Fast-slow pairs against their law, and consistency targets against fields whose paths are known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from degflow_aug.flow.consistency import FAST, SLOW, consistency_loss, consistency_target, draw_pairs
from degflow_aug.flow.solver import jump_to

COUNT = 200_000
RATE = 1.3


@pytest.fixture(scope="module")
def pairs() -> tuple[Tensor, Tensor]:
    t, t_next = draw_pairs(COUNT, torch.device("cpu"), torch.Generator().manual_seed(0))
    return (t * SLOW).round().long(), (t_next * SLOW).round().long()


def test_pairs_rise_within_the_path_and_lie_on_the_grids(pairs: tuple[Tensor, Tensor]) -> None:
    t, t_next = draw_pairs(5000, torch.device("cpu"), torch.Generator().manual_seed(1))
    assert t.shape == t_next.shape == (5000,)
    for time in (t, t_next):
        torch.testing.assert_close(time * SLOW, (time * SLOW).round(), rtol=0, atol=1e-3)
    ticks, following = pairs
    assert (ticks >= 0).all()
    assert (ticks < following).all()
    assert (following <= SLOW).all()
    part = SLOW // FAST
    assert ((ticks % part == 0) | (following % part == 0)).all()


def test_pairs_follow_the_mirrored_law(pairs: tuple[Tensor, Tensor]) -> None:
    """Probabilities by summing the law over both grids, which is another way than drawing."""
    part, expected = SLOW // FAST, torch.zeros(SLOW, SLOW + 1, dtype=torch.float64)
    for node in range(0, SLOW, part):
        expected[node, node + 1 :] += 0.5 / FAST / (SLOW - node)
    for tick in range(SLOW):
        later_nodes = [node for node in range(part, SLOW + 1, part) if node > tick]
        expected[tick, later_nodes[0]] += 0.5 / SLOW
    assert float(expected.sum()) == pytest.approx(1)
    t, t_next = pairs
    found = torch.zeros_like(expected).index_put_((t, t_next), torch.tensor(1 / COUNT).double(), accumulate=True)
    for axis in (0, 1):
        # The largest gap between distribution functions of so many draws: Kolmogorov's 1e-6 point is 2.7 / sqrt(n).
        gap = (found.sum(axis).cumsum(0) - expected.sum(axis).cumsum(0)).abs().max()
        assert gap < 2.7 / COUNT**0.5
    corner = (found.cumsum(0).cumsum(1) - expected.cumsum(0).cumsum(1)).abs().max()
    assert corner < 5 / COUNT**0.5


def growth(z: Tensor, t: Tensor) -> Tensor:
    """z' = a z, whose path from z at t ends at z exp(a (e - t))."""
    return RATE * z


def exact(z: Tensor, t: Tensor, end: Tensor) -> Tensor:
    gap = (end - t)[:, None]
    return z * torch.where(gap > 0, torch.expm1(RATE * gap) / gap.clamp(min=1e-12), torch.full_like(gap, RATE))


START = torch.tensor([[0.5, -0.3], [1.2, 0.8], [-0.7, 2.0]], dtype=torch.float64)
TIMES = torch.tensor([0.0, 0.3, 0.5], dtype=torch.float64)
ENDS = torch.tensor([1.0, 0.9, 0.5], dtype=torch.float64)


def test_target_is_the_euler_step_carried_on_exactly() -> None:
    t_next = torch.tensor([0.4, 0.7, 0.5], dtype=torch.float64)
    step = (t_next - TIMES)[:, None]
    expected = START * (1 + RATE * step) * torch.exp(RATE * (ENDS - t_next)[:, None])
    torch.testing.assert_close(consistency_target(growth, exact, START, TIMES, t_next, ENDS), expected)


def test_target_tends_to_the_end_of_the_path_as_the_step_does_to_nothing() -> None:
    """Its error is that of one Euler step, a^2 h^2 / 2 of the end."""
    end = START * torch.exp(RATE * (ENDS - TIMES)[:, None])
    moving = ENDS > TIMES
    errors = []
    for h in (0.1, 0.05, 0.025, 1e-6):
        target = consistency_target(growth, exact, START, TIMES, torch.minimum(TIMES + h, ENDS), ENDS)
        errors.append((target - end)[moving] / end[moving])
        assert torch.equal(target[~moving], START[~moving])
    assert (errors[0] / errors[1]).mean() == pytest.approx(4, abs=0.3)
    assert (errors[1] / errors[2]).mean() == pytest.approx(4, abs=0.2)
    assert errors[-1].abs().max() < 1e-11


def test_exact_student_has_no_loss_but_the_step_s() -> None:
    target = consistency_target(growth, exact, START, TIMES, torch.minimum(TIMES + 1e-5, ENDS), ENDS)
    assert consistency_loss(exact, START, TIMES, ENDS, target).max() < 1e-18
    wrong = consistency_loss(lambda z, t, end: growth(z, t), START, TIMES, ENDS, target)
    by_hand = (jump_to(lambda z, t, end: growth(z, t), START, TIMES, ENDS) - target).square().mean(1)
    torch.testing.assert_close(wrong, by_hand)
    assert wrong.shape == (3,)
    assert wrong[0] > 0.01
    assert wrong[2] == 0


def test_the_gradient_is_the_student_s_alone() -> None:
    rate = torch.tensor(1.0, requires_grad=True)
    target = consistency_target(
        lambda z, t: rate * z, lambda z, t, end: rate * z, START.float(), *(x.float() for x in (TIMES, TIMES, ENDS))
    )
    assert not target.requires_grad


def test_distillation_along_the_slow_grid_finds_the_average_velocity() -> None:
    """A student of one number a time, taught slow step by slow step from the end on, learns exp(a) - 1 at t = 0."""
    grid = torch.zeros(SLOW + 1, dtype=torch.float64)

    def student(z: Tensor, t: Tensor, end: Tensor) -> Tensor:
        return z * grid[(t * SLOW).round().long()][:, None]

    one, z = torch.ones(1, dtype=torch.float64), torch.ones(1, 1, dtype=torch.float64)
    for tick in reversed(range(SLOW)):
        t = one * tick / SLOW
        target = consistency_target(growth, student, z, t, t + 1 / SLOW, one)
        grid[tick] = (target - z)[0, 0] / (1 - tick / SLOW)
    assert float(grid[0]) == pytest.approx(torch.e**RATE - 1, rel=2e-3)
