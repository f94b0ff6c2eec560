"""Views at scales where no pairs exist: what a fitted camera makes of HR, and what it leaves unexplained at knots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from degflow_aug.degradations.convolution import convolve
from degflow_aug.degradations.fitted.fitted_kernel import ViewParameters
from degflow_aug.degradations.fitted.kernel_interpolation import bracket


class FittedViews(Protocol):
    """A camera fitted to pairs: the same for all samples, or another one for each.

    Attributes:
        knots: (K,).
        scale_range: the first and the last of them.
        side: of the square of HR pixels that a pixel of a view depends on, odd.
        fade: power of the weights of what is left unexplained at the knots, see :func:`pseudo_views`.
    """

    fade: float

    @property
    def knots(self) -> Tensor: ...
    @property
    def scale_range(self) -> tuple[float, float]: ...
    @property
    def side(self) -> int: ...

    def view_parameters(self, scales: Tensor) -> ViewParameters:
        """What makes views at scales (B,), clamped to the knots."""

    def views(self, hr: Tensor, scales: Tensor) -> Tensor:
        """V_s(hr): (B, 3, H, W) of HR images in [0, 1] at scales (B,).

        Scales are clamped to the knots; values are not clamped to [0, 1].
        """


@torch.no_grad()
def pseudo_views(fitted: FittedViews, hr: Tensor, views: Tensor, scales: Tensor) -> Tensor:
    """Views at any scale between knots at which there are real ones.

    pseudo(s) = V_s(HR) + (1 - w)^p (view_a - V_a(HR)) + w^p (view_b - V_b(HR)) with the knots a <= s <= b on either
    side, w by :func:`residual_weight` and p the fade: at a knot it is the real view. What a linear kernel leaves goes
    on between knots (p = 1), what is left of a pipeline belongs in part to its knot (p = 2). One batched pass on the
    tensors' device, without waiting for it.

    Args:
        fitted: the camera, on the same device, or that of each sample.
        hr: (B, 3, H, W) in [0, 1].
        views: (B, K, 3, H, W) in [0, 1] at ``fitted.knots``, HR first.
        scales: (B,), clamped to the range of the knots.

    Returns:
        (B, 3, H, W) in [0, 1].

    Raises:
        ValueError: shapes that do not match.
    """
    expected = (hr.shape[0], fitted.knots.numel(), *hr.shape[1:])
    if views.shape != expected or scales.shape != hr.shape[:1]:
        raise ValueError(
            f"expected views of shape {tuple(expected)} and one scale a sample, got {tuple(views.shape)} and "
            f"{tuple(scales.shape)}; views hold one image a knot, HR first"
        )
    knots = fitted.knots.float()
    inside = scales.to(knots).clamp(*fitted.scale_range)
    low = bracket(knots, inside)
    weight = residual_weight(knots[low], knots[low + 1], inside)
    below, above = (1 - weight) ** fitted.fade, weight**fitted.fade
    rows = torch.arange(hr.shape[0], device=views.device)
    real = [share.view(-1, 1, 1, 1).to(views) * views[rows, low + k] for k, share in enumerate((below, above))]
    places = ((torch.ones_like(weight), inside), (-below, knots[low]), (-above, knots[low + 1]))
    rendered = _weighted_views(hr, [(share, fitted.view_parameters(scale)) for share, scale in places])
    return (rendered + real[0] + real[1]).clamp(0, 1)


def residual_weight(low: Tensor, high: Tensor, scales: Tensor) -> Tensor:
    """Share of the upper knot in what a linear kernel leaves unexplained: linear in the spread of the blur.

    (sqrt(s^2 - 1) - sqrt(a^2 - 1)) / (sqrt(b^2 - 1) - sqrt(a^2 - 1)) for 1 <= a <= s <= b. Beside a share linear in s
    it brings pseudo-views nearer to the simulator's truth between all knots, most between 1 and 2 (1.2 dB at 1.5).
    """

    def spread(scale: Tensor) -> Tensor:
        return (scale**2 - 1).clamp_min(0).sqrt()

    return (spread(scales) - spread(low)) / (spread(high) - spread(low))


def _weighted_views(hr: Tensor, parts: Sequence[tuple[Tensor, ViewParameters]]) -> Tensor:
    """The sum of views of ``hr``, each with its weights (B,); of linear cameras by a single convolution."""
    columns = [(weights.to(part.blur).view(-1, 1, 1, 1), part) for weights, part in parts]
    if all(part.exponent is None for _, part in columns):
        return convolve(hr, torch.stack([weight * part.blur for weight, part in columns]).sum(0))
    return torch.stack([weight.to(hr) * part.views(hr) for weight, part in columns]).sum(0)
