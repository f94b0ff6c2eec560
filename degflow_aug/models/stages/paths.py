"""Paths through the views of a scene: the images along them, and their points where samples lack some views."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from degflow_aug.degradations.fitted.pseudo_views import FittedViews, pseudo_views
from degflow_aug.flow.trajectory import PathPoint, Trajectory


def views_along_path(
    hr: Tensor,
    views: Tensor,
    available: Tensor,
    knots: Sequence[float],
    scales: Sequence[float],
    kernel: FittedViews | None,
) -> tuple[Tensor, Tensor]:
    """Views at every scale of a path that holds the knots and scales between them.

    Args:
        hr: (B, 3, H, W) in [0, 1].
        views: (B, K-1, 3, H, W) in [0, 1] at ``knots[1:]``.
        available: (B, K-1) bool, which of them exist; on any device.
        knots: scales of HR and its views, 1 first.
        scales: scales of the path; those that are no knot need ``kernel``.
        kernel: what pseudo-views are made with.

    Returns:
        (B, len(scales), 3, H, W) in [0, 1], and (B, len(scales)) bool beside ``available``; a pseudo-view exists where
        its two knots do.

    Raises:
        ValueError: a scale between the knots, and no kernel.
    """
    every = torch.cat([hr[:, None], views], 1)
    there = torch.cat([torch.ones_like(available[:, :1]), available], 1)
    images, exists = [], []
    for scale in scales:
        if scale in knots:
            index = list(knots).index(scale)
            images.append(every[:, index])
            exists.append(there[:, index])
            continue
        if kernel is None:
            raise ValueError(f"expected a fitted kernel for the pseudo-view at scale {scale:g}, got none")
        upper = next(index for index, knot in enumerate(knots) if knot > scale)
        images.append(pseudo_views(kernel, hr, every, torch.full((len(hr),), scale, device=hr.device)))
        exists.append(there[:, upper] & there[:, upper - 1])
    return torch.stack(images, 1), torch.stack(exists, 1)


def path_ends(times: Tensor, available: Tensor) -> Tensor:
    """Time (B,) at which each sample's path ends, that of its last available knot; times (K,), available (B, K)."""
    return (available * times).amax(1)


def draw_available(available: Tensor) -> Tensor:
    """One of the available ones (B, K) of each sample, each as likely: an index (B,) on the device.

    What ``torch.multinomial`` draws, which looks at its weights first and so would wait for a GPU.
    """
    weights = available.float()
    return (weights / torch.empty_like(weights).exponential_()).argmax(1)


def path_points(trajectory: Trajectory, points: Tensor, times: Tensor, t: Tensor, available: Tensor) -> PathPoint:
    """Points of each sample's own path.

    Args:
        trajectory: the kind of path.
        points: (K, B, ...) latents; those of missing knots are not looked at.
        times: (K,).
        t: (B,), each within its sample's path: at most :func:`path_ends`.
        available: (B, K) bool, the first knot and one more at least; on the CPU, where reading it waits for no GPU.

    Returns:
        One point a sample, ``next_index`` counted among all K knots.
    """
    if bool(available.all()):
        return trajectory(points, times, t)
    masks, group = torch.unique(available, dim=0, return_inverse=True)
    found: list[PathPoint] = []
    rows: list[Tensor] = []
    for index, mask in enumerate(masks):
        chosen = ((group == index).nonzero().flatten(), mask.nonzero().flatten())
        members, own = (each.to(points.device, non_blocking=True) for each in chosen)
        point = trajectory(points[own][:, members], times[own], t[members])
        found.append(PathPoint(**{**point.__dict__, "next_index": own[point.next_index]}))
        rows.append(chosen[0])
    order = torch.cat(rows).argsort().to(points.device, non_blocking=True)
    columns = zip(*(point.__dict__.values() for point in found), strict=True)
    return PathPoint(*(torch.cat(parts)[order] for parts in columns))
