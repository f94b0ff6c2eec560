"""Paths through the latents of the knots: where a path is at time t, and how fast it moves.

Both paths are piecewise polynomials of degree three or less, so one record describes a point on either.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class PathPoint:
    """A path at time t, one row per sample; every tensor is (B, *latent) but ``next_time`` (B,).

    Attributes:
        position: z(t).
        velocity: z'(t).
        second: z''(t).
        third: z'''(t), constant within a segment.
        next_knot: latent of the knot that ends the segment.
        next_time: time of that knot.
        next_index: its index (B,) among the knots.
    """

    position: Tensor
    velocity: Tensor
    second: Tensor
    third: Tensor
    next_knot: Tensor
    next_time: Tensor
    next_index: Tensor


Trajectory = Callable[[Tensor, Tensor, Tensor], PathPoint]


def _check_knots(points: Tensor, times: Tensor, t: Tensor) -> None:
    if points.ndim < 2 or times.ndim != 1 or points.shape[0] != times.shape[0] or times.shape[0] < 2:
        raise ValueError(
            f"expected K >= 2 knots as points (K, B, ...) and times (K,), got {tuple(points.shape)} and "
            f"{tuple(times.shape)}"
        )
    if t.shape != points.shape[1:2]:
        raise ValueError(f"expected one time a sample, shape ({points.shape[1]},), got {tuple(t.shape)}")


def _per_sample(values: Tensor, like: Tensor) -> Tensor:
    """(B,) -> (B, 1, ...) so that it multiplies ``like``."""
    return values.to(like.dtype).reshape(-1, *[1] * (like.ndim - 1))


def _cubic(points: Tensor, times: Tensor, t: Tensor, second: Tensor | None) -> PathPoint:
    """The piecewise cubic through ``points`` with second derivatives ``second`` (K, B, ...); None means linear.

    With h the segment's width, A = (t_right - t) / h and B = 1 - A:
    z = A p_i + B p_{i+1} + h^2 / 6 [(A^3 - A) M_i + (B^3 - B) M_{i+1}].
    """
    times, t = times.to(points.dtype), t.to(points.dtype)
    right = torch.searchsorted(times, t.contiguous(), right=True).clamp(1, len(times) - 1)
    sample = torch.arange(points.shape[1], device=points.device)
    p0, p1 = points[right - 1, sample], points[right, sample]
    width = _per_sample(times[right] - times[right - 1], p0)
    a = _per_sample(times[right] - t, p0) / width
    b = 1 - a
    position, velocity = a * p0 + b * p1, (p1 - p0) / width
    curvature = third = torch.zeros_like(p0)
    if second is not None:
        m0, m1 = second[right - 1, sample], second[right, sample]
        position = position + width**2 / 6 * ((a**3 - a) * m0 + (b**3 - b) * m1)
        velocity = velocity + width / 6 * ((1 - 3 * a**2) * m0 + (3 * b**2 - 1) * m1)
        curvature, third = a * m0 + b * m1, (m1 - m0) / width
    return PathPoint(position, velocity, curvature, third, p1, times[right], right)


def linear(points: Tensor, times: Tensor, t: Tensor) -> PathPoint:
    """Straight segments between the knots.

    Args:
        points: (K, B, ...) latents of the knots.
        times: (K,), increasing.
        t: (B,), a time a sample; beyond the knots the outer segments go on.

    Raises:
        ValueError: shapes that do not fit, fewer than two knots.
    """
    _check_knots(points, times, t)
    return _cubic(points, times, t, None)


def spline_curvature(points: Tensor, times: Tensor) -> Tensor:
    """Second derivatives M (K, B, ...) of the natural cubic spline at its knots, zero at both ends.

    Solves h_{j-1} M_{j-1} + 2 (h_{j-1} + h_j) M_j + h_j M_{j+1} = 6 (slope_j - slope_{j-1}) for the inner knots.
    """
    count = len(times)
    curvature = torch.zeros_like(points)
    if count == 2:
        return curvature
    widths = (times[1:] - times[:-1]).to(points.dtype)
    slopes = (points[1:] - points[:-1]) / widths.reshape(-1, *[1] * (points.ndim - 1))
    matrix = torch.diag(2 * (widths[:-1] + widths[1:]))
    if count > 3:
        matrix = matrix + torch.diag(widths[1:-1], 1) + torch.diag(widths[1:-1], -1)
    jumps = 6 * (slopes[1:] - slopes[:-1])
    # The matrix is diagonally dominant; linalg.solve would wait for a GPU to see that it is not singular.
    curvature[1:-1] = torch.linalg.solve_ex(matrix, jumps.flatten(1)).result.reshape(jumps.shape)
    return curvature


def natural_cubic_spline(points: Tensor, times: Tensor, t: Tensor) -> PathPoint:
    """Natural cubic spline through the knots (DegFlow eq. 4): twice smooth, straight at both ends.

    Arguments and errors as :func:`linear`; two knots give the straight line.
    """
    _check_knots(points, times, t)
    return _cubic(points, times, t, spline_curvature(points, times))


TRAJECTORIES: dict[str, Trajectory] = {"spline": natural_cubic_spline, "linear": linear}


def trajectory(name: str) -> Trajectory:
    """The path of that name.

    Raises:
        ValueError: no such path.
    """
    if name not in TRAJECTORIES:
        raise ValueError(f"expected a trajectory out of {', '.join(TRAJECTORIES)}, got {name!r}")
    return TRAJECTORIES[name]
