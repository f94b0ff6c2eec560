"""What the velocity network is trained on: a time, the velocity there, and the jump to the next knot."""

from __future__ import annotations

import torch
from torch import Tensor

from degflow_aug.flow.trajectory import PathPoint


def draw_times(
    count: int, device: torch.device, generator: torch.Generator | None = None, margin: float = 1e-5
) -> Tensor:
    """Times (count,) drawn uniformly from (margin, 1 - margin), so that no draw falls on an end of the path."""
    uniform = torch.rand(count, device=device, generator=generator)
    return margin + (1 - 2 * margin) * uniform


def velocity_loss(velocity: Tensor, point: PathPoint) -> Tensor:
    """Flow matching loss of each sample, mean of (v - z')^2: (B, ...) -> (B,)."""
    return (velocity - point.velocity).square().flatten(1).mean(1)


def taylor_jump(t: Tensor, velocity: Tensor, point: PathPoint) -> Tensor:
    """Third-order Taylor jump from t to the next knot with a predicted velocity (DegFlow eq. 8).

    z + D v + D^2 / 2 z'' + D^3 / 6 z''' with D = t_next - t. t: (B,); velocity: (B, ...).
    """
    step = _step(t, velocity, point)
    return point.position + step * velocity + step**2 / 2 * point.second + step**3 / 6 * point.third


def jump(t: Tensor, velocity: Tensor, point: PathPoint) -> Tensor:
    """:func:`taylor_jump` in closed form: a cubic's Taylor series is exact, so the jump is z_next + D (v - z').

    Its gradient with respect to v carries the factor D and vanishes at the knot.
    """
    return point.next_knot + _step(t, velocity, point) * (velocity - point.velocity)


def _step(t: Tensor, velocity: Tensor, point: PathPoint) -> Tensor:
    return (point.next_time - t).to(velocity.dtype).reshape(-1, *[1] * (velocity.ndim - 1))
