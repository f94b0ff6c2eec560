"""The images along a path: HR, the real views, and pseudo-views at the scales between."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from degflow_aug.degradations.fitted.pseudo_views import FittedViews, pseudo_views


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
        available: (B, K-1) bool, which of them exist.
        knots: scales of HR and its views, 1 first.
        scales: scales of the path; those that are no knot need ``kernel``.
        kernel: what pseudo-views are made with.

    Returns:
        (B, len(scales), 3, H, W) in [0, 1] and (B, len(scales)) bool; a pseudo-view exists where its two knots do.

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
