"""What a decoded image is compared with: a view of the path, or a pseudo-view at a scale drawn anywhere on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from degflow_aug.degradations.fitted.pseudo_views import FittedViews, pseudo_views
from degflow_aug.models.stages.paths import draw_available


@dataclass(frozen=True)
class ViewTarget:
    """A view a sample.

    Attributes:
        scales: (B,).
        views: (B, 3, P, P) in [0, 1].
        known: (B, 1, P, P) bool, false where a pseudo-view would need pixels beyond the crop.
    """

    scales: Tensor
    views: Tensor
    known: Tensor

    def beside(self, generated: Tensor) -> Tensor:
        """The views in [-1, 1], and what was generated where they are not known, so that no loss comes from there."""
        return torch.where(self.known, self.views * 2 - 1, generated.detach())

    def without_rim(self, margin: int) -> ViewTarget:
        """The same without ``margin`` pixels at each side."""
        inner = slice(margin, -margin or None)
        return ViewTarget(self.scales, self.views[..., inner, inner], self.known[..., inner, inner])

    def distance(self, generated: Tensor) -> Tensor:
        """Mean absolute difference to images (B, 3, P, P) in [-1, 1], over the pixels that are known."""
        known = self.known.float().mean().clamp_min(1e-6)
        return (generated - self.beside(generated)).abs().mean() / known


def draw_view_targets(
    path_views: Tensor,
    available: Tensor,
    scales: Tensor,
    knots: Sequence[float],
    kernel: FittedViews | None,
    share: float,
) -> ViewTarget:
    """A view above scale 1 for each sample.

    Args:
        path_views: (B, K, 3, P, P) in [0, 1], HR first.
        available: (B, K) bool, which of them exist; one above HR at least.
        scales: (K,) of the path, the knots among them.
        knots: scales of real pairs, 1 first.
        kernel: what pseudo-views are made with; needed where ``share`` is not 0.
        share: of samples with a pseudo-view at a scale drawn from all of the knots' range, where both of its knots
            exist; the others have a view of the path.

    Raises:
        ValueError: a share, and no kernel or crops smaller than it.
    """
    rows = torch.arange(len(path_views), device=path_views.device)
    index = 1 + draw_available(available[:, 1:])
    side = path_views.shape[-1]
    known = torch.ones(len(rows), 1, side, side, dtype=torch.bool, device=path_views.device)
    target = ViewTarget(scales[index], path_views[rows, index], known)
    if not share:
        return target
    if kernel is None:
        raise ValueError("expected a fitted kernel for pseudo-views, got none")
    pseudo, exists = _pseudo_targets(path_views, available, scales, knots, kernel)
    chosen = exists & (torch.rand(len(rows), device=scales.device) < share)
    image = chosen.view(-1, 1, 1, 1)
    return ViewTarget(
        torch.where(chosen, pseudo.scales, target.scales),
        torch.where(image, pseudo.views, target.views),
        torch.where(image, pseudo.known, target.known),
    )


def _pseudo_targets(
    path_views: Tensor, available: Tensor, scales: Tensor, knots: Sequence[float], kernel: FittedViews
) -> tuple[ViewTarget, Tensor]:
    """A pseudo-view at a scale drawn for each sample, and whether (B,) both knots beside it exist."""
    rows, side = torch.arange(len(path_views), device=path_views.device), path_views.shape[-1]
    if side < kernel.side:
        raise ValueError(f"expected crops of at least {kernel.side} pixels for pseudo-views, got {side}; raise gt_size")
    low, high = kernel.scale_range
    anywhere = low + (high - low) * torch.rand(len(rows), device=scales.device)
    at_knots = torch.stack([(scales - knot).abs().argmin() for knot in knots])
    there = available[:, at_knots]
    upper = torch.bucketize(anywhere, kernel.knots).clamp(1, len(knots) - 1)
    pseudo = pseudo_views(kernel, path_views[:, 0], path_views[:, at_knots], anywhere)
    reach = kernel.side // 2
    inside = torch.zeros(len(rows), 1, side, side, dtype=torch.bool, device=path_views.device)
    inside[..., reach : side - reach, reach : side - reach] = True
    return ViewTarget(anywhere, pseudo, inside), there[rows, upper] & there[rows, upper - 1]
