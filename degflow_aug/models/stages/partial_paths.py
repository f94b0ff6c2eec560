"""Paths for a batch whose samples lack different views: each goes through the knots it has."""

from __future__ import annotations

import torch
from torch import Tensor

from degflow_aug.flow.trajectory import PathPoint, Trajectory


def path_ends(times: Tensor, available: Tensor) -> Tensor:
    """Time (B,) at which each sample's path ends, that of its last available knot; times (K,), available (B, K)."""
    return (available * times).amax(1)


def path_points(trajectory: Trajectory, points: Tensor, times: Tensor, t: Tensor, available: Tensor) -> PathPoint:
    """Points of each sample's own path.

    Args:
        trajectory: the kind of path.
        points: (K, B, ...) latents; those of missing knots are not looked at.
        times: (K,).
        t: (B,), each within its sample's path: at most :func:`path_ends`.
        available: (B, K) bool; the first knot and one more at least.

    Returns:
        One point a sample, ``next_index`` counted among all K knots.
    """
    if bool(available.all()):
        return trajectory(points, times, t)
    masks, group = torch.unique(available, dim=0, return_inverse=True)
    found: list[PathPoint] = []
    rows: list[Tensor] = []
    for index, mask in enumerate(masks):
        members = (group == index).nonzero().flatten()
        own = mask.nonzero().flatten()
        point = trajectory(points[own][:, members], times[own], t[members])
        found.append(PathPoint(**{**point.__dict__, "next_index": own[point.next_index]}))
        rows.append(members)
    order = torch.cat(rows).argsort()
    columns = zip(*(point.__dict__.values() for point in found), strict=True)
    return PathPoint(*(torch.cat(parts)[order] for parts in columns))
