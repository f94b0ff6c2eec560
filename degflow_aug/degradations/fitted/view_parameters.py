"""What makes a view out of an HR image: a blur, and where a pipeline is fitted, a tone curve and sharpening."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from degflow_aug.degradations.convolution import convolve

TOE = 0.01
"""Added to display values before they become light, so that the curve has a finite slope at black."""

TAPS = 7
"""LR pixels a side over which a camera's sharpening reaches."""

NEGLIGIBLE = 6
"""Outermost pixels of the reach of blur and sharpening together, which hold next to nothing."""


class ViewParameters(NamedTuple):
    """What makes each view of a batch, one row per sample.

    Attributes:
        blur: (B, 3, k, k) kernels of sum 1, of display values or, with an exponent, of light.
        exponent: (B,), light = (display value)^exponent; None: there is no tone curve, and no sharpening either.
        sharpening: (B, 3, m, m) kernels of sum 1, of display values.
    """

    blur: Tensor
    exponent: Tensor | None = None
    sharpening: Tensor | None = None

    def to(self, device: torch.device) -> ViewParameters:
        """The same on another device."""
        return self.each(lambda values: values.to(device))

    def each(self, change: Callable[[Tensor], Tensor]) -> ViewParameters:
        """The same with every tensor changed."""
        exponent, sharpening = (None if part is None else change(part) for part in (self.exponent, self.sharpening))
        return ViewParameters(change(self.blur), exponent, sharpening)

    def views(self, hr: Tensor) -> Tensor:
        """S * (K * HR^g)^(1 / g), the camera's pipeline: (B, 3, H, W) in [0, 1] -> the same, not clamped.

        Optics and pixels blur light, the tone curve makes display values of it, and these are sharpened. Borders are
        reflected; 16-bit floats are computed in 32 bits.
        """
        if self.exponent is None or self.sharpening is None:
            return convolve(hr, self.blur)
        wide = hr if hr.dtype == torch.float64 else hr.float()
        exponent = self.exponent.to(wide).view(-1, 1, 1, 1)
        shown = from_light(convolve(to_light(wide, exponent), self.blur), exponent)
        return convolve(shown, self.sharpening).to(hr.dtype)


def mixed(parameters: Sequence[ViewParameters], weights: Tensor) -> ViewParameters:
    """Those of one camera after the other, all of one kind, mixed by the weights (B, cameras) of the cameras."""

    def mix(values: Sequence[Tensor | None]) -> Tensor | None:
        known = [part for part in values if part is not None]
        if len(known) < len(values):
            return None
        stacked = torch.stack(known, 1)
        return (stacked * weights.to(stacked).reshape(*weights.shape, *[1] * (stacked.ndim - 2))).sum(1)

    blur, exponent, sharpening = (mix(part) for part in zip(*parameters, strict=True))
    assert blur is not None
    return ViewParameters(blur, exponent, sharpening)


def weighted_views(hr: Tensor, parts: Sequence[tuple[Tensor, ViewParameters]]) -> Tensor:
    """The sum of views of ``hr``, each with its weights (B,); of linear cameras by a single convolution."""
    columns = [(weights.to(part.blur).view(-1, 1, 1, 1), part) for weights, part in parts]
    if all(part.exponent is None for _, part in columns):
        return convolve(hr, torch.stack([weight * part.blur for weight, part in columns]).sum(0))
    return torch.stack([weight.to(hr) * part.views(hr) for weight, part in columns]).sum(0)


def to_light(shown: Tensor, exponent: Tensor) -> Tensor:
    """((v + toe) / (1 + toe))^g of display values v in [0, 1]."""
    return ((shown.clamp_min(0) + TOE) / (1 + TOE)) ** exponent


def from_light(light: Tensor, exponent: Tensor) -> Tensor:
    """The inverse of :func:`to_light`; light below half of what black has stays at that."""
    darkest = (0.5 * TOE / (1 + TOE)) ** exponent
    return torch.maximum(light, darkest) ** (1 / exponent) * (1 + TOE) - TOE


def kernel_side(scale: float) -> int:
    """Side of the kernels that hold sharpening at scales up to ``scale``: its taps, and the spline's reach beyond."""
    return 2 * (math.ceil(TAPS // 2 * scale) + 1) + 1


def sharpening_kernels(taps: Tensor, scales: Tensor, side: int) -> Tensor:
    """Taps on the LR grid, each at its place on the HR grid, s pixels apart.

    S(x) = sum_n q_n c(x_1 - s n_1) c(x_2 - s n_2), with c the cubic convolution spline (Keys 1981, a = -1/2): views are
    smooth enough for it, because the camera's blur has taken what an LR pixel cannot hold.

    Args:
        taps: (B, 3, t, t), t odd.
        scales: (B,).
        side: m, odd; what lies beyond is cut off.

    Returns:
        (B, 3, m, m) of sum 1.
    """
    places = torch.arange(side, device=taps.device) - side // 2
    numbers = torch.arange(taps.shape[-1], device=taps.device) - taps.shape[-1] // 2
    spread = cubic(places[None, :, None] - scales.to(taps)[:, None, None] * numbers)[:, None]
    kernels = spread @ taps @ spread.transpose(-2, -1)
    return kernels / kernels.sum((-2, -1), keepdim=True)


def cubic(distance: Tensor) -> Tensor:
    """The cubic convolution spline, 1 at 0, 0 at all other integers and beyond 2."""
    x = distance.abs()
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return torch.where(x < 1, near, torch.where(x < 2, far, torch.zeros_like(x)))
