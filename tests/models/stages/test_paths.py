"""A batch whose samples lack knots: each row equals its own trajectory over the knots it has."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from degflow_aug.flow.trajectory import TRAJECTORIES, trajectory
from degflow_aug.models.stages.paths import draw_available, path_ends, path_points

TIMES = torch.tensor([0.0, 0.2, 0.45, 0.7, 1.0], dtype=torch.float64)


def every_mask(knots: int) -> Tensor:
    """All ways (B, knots) to have the first knot and one more at least, in an order that mixes them."""
    masks = [(True, *rest) for rest in itertools.product((False, True), repeat=knots - 1) if any(rest)]
    order = torch.randperm(2 * len(masks), generator=torch.Generator().manual_seed(0))
    return torch.tensor(masks * 2)[order]


def case(knots: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(knots)
    available, times = every_mask(knots), TIMES[:knots]
    points = torch.randn(knots, len(available), 2, 3, dtype=torch.float64, generator=generator)
    share = torch.rand(len(available), dtype=torch.float64, generator=generator)
    return points, times, share * path_ends(times, available), available


@pytest.mark.parametrize("name", list(TRAJECTORIES))
@pytest.mark.parametrize("knots", [2, 3, 5])
def test_each_sample_follows_its_own_knots(name: str, knots: int) -> None:
    points, times, t, available = case(knots)
    found = path_points(trajectory(name), points, times, t, available)
    for sample, mask in enumerate(available):
        own = mask.nonzero().flatten()
        alone = trajectory(name)(points[own, sample : sample + 1], times[own], t[sample : sample + 1])
        for key in ("position", "velocity", "second", "third", "next_knot", "next_time"):
            torch.testing.assert_close(getattr(found, key)[sample], getattr(alone, key)[0], rtol=1e-10, atol=1e-10)
        following = int(found.next_index[sample])
        assert mask[following]
        assert following == int(own[alone.next_index[0]])
        assert torch.equal(found.next_knot[sample], points[following, sample])
        assert found.next_time[sample] == times[following] >= t[sample]


def test_missing_latents_are_not_looked_at() -> None:
    points, times, t, available = case(5)
    before = path_points(trajectory("spline"), points, times, t, available)
    points[~available.T] = float("nan")
    after = path_points(trajectory("spline"), points, times, t, available)
    for key, value in before.__dict__.items():
        assert torch.equal(value, getattr(after, key)), key


def test_whole_paths_are_the_trajectory_itself() -> None:
    points, times, t, available = case(4)
    whole = torch.ones_like(available)
    found, truth = path_points(trajectory("spline"), points, times, t, whole), trajectory("spline")(points, times, t)
    for key, value in truth.__dict__.items():
        assert torch.equal(value, getattr(found, key))


def test_gradients_reach_the_available_latents_only() -> None:
    points, times, t, available = case(5)
    point = path_points(trajectory("spline"), points.requires_grad_(True), times, t, available)
    (point.position.square().sum() + point.velocity.square().sum()).backward()
    assert points.grad is not None
    reached = points.grad.abs().sum((2, 3)).T > 0
    assert not reached[~available].any()
    assert reached[available].float().mean() > 0.7


def test_paths_end_at_the_last_knot_they_have() -> None:
    available = torch.tensor([[True, True, True], [True, True, False], [True, False, True]])
    assert path_ends(torch.tensor([0.0, 0.4, 1.0]), available).tolist() == pytest.approx([1.0, 0.4, 1.0])


def test_an_available_one_is_drawn_as_multinomial_does() -> None:
    available = every_mask(5)[:, 1:]
    torch.manual_seed(0)
    found = [draw_available(available) for _ in range(3)]
    torch.manual_seed(0)
    for each in found:
        assert torch.equal(each, torch.multinomial(available.float(), 1)[:, 0])
