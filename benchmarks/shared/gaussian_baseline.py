"""The blur that most degradation models assume, an isotropic Gaussian, as well as it can be fitted to real pairs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from scipy.optimize import minimize_scalar
from torch import Tensor

from degflow_aug.degradations.base import Degradation
from degflow_aug.degradations.grid import to_lr_grid

WIDEST = 8.0
Pairs = Iterable[tuple[Tensor, Mapping[float, Tensor]]]


class GaussianBlur(Degradation):
    """Isotropic Gaussian blur, one sigma for all channels; sigma^2 is linear in s^2 between the knots, 0 at s = 1.

    Args:
        sigmas: in pixels of HR, by scale above 1.

    Raises:
        ValueError: no scale above 1, or a sigma below 0.
    """

    def __init__(self, sigmas: Mapping[float, float]) -> None:
        super().__init__()
        if not sigmas or min(sigmas) <= 1 or min(sigmas.values()) < 0:
            raise ValueError(f"expected sigmas of at least 0 at scales above 1, got {dict(sigmas)}")
        self.sigmas = {scale: sigmas[scale] for scale in sorted(sigmas)}
        self.scale_range = (1.0, max(sigmas))

    def sigma(self, scale: float) -> float:
        """Sigma in pixels of HR at a scale from 1 to the last knot."""
        squares = [0.0, *(sigma**2 for sigma in self.sigmas.values())]
        return math.sqrt(np.interp(scale**2, [1.0, *(knot**2 for knot in self.sigmas)], squares))

    @torch.no_grad()
    def render(self, hr: Tensor, scale: float) -> Tensor:
        """View of ``hr`` at ``scale``: (B, 3, H, W) in [0, 1], borders reflected."""
        return blur(hr, self.sigma(self.check(hr, scale))).clamp(0, 1)

    @torch.no_grad()
    def forward(self, hr: Tensor, scale: float) -> Tensor:
        """LR of ``hr`` at ``scale``: (B, 3, H, W) in [0, 1] -> (B, 3, round(H / s), round(W / s)) in [0, 1]."""
        return to_lr_grid(self.render(hr, scale), float(scale))


def blur(image: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of (..., H, W), borders reflected."""
    axes = (image.ndim - 2, image.ndim - 1)
    # Six sigma wide, so that the error is a smooth function of sigma to float32.
    return torch.from_numpy(gaussian_filter(image.cpu().numpy(), sigma, truncate=6.0, axes=axes)).to(image.device)


def fit_gaussian(pairs: Pairs) -> GaussianBlur:
    """The sigma of least squared error at each scale that occurs in the pairs.

    Args:
        pairs: HR images (..., H, W) in [0, 1], each with its views of that shape by scale above 1.

    Raises:
        ValueError: no pairs.
    """
    by_scale: dict[float, list[tuple[Tensor, Tensor]]] = {}
    for hr, views in pairs:
        for scale, view in views.items():
            by_scale.setdefault(scale, []).append((hr, view))
    return GaussianBlur({scale: _sigma(by_scale[scale]) for scale in sorted(by_scale)})


def _sigma(pairs: Sequence[tuple[Tensor, Tensor]]) -> float:
    def error(sigma: float) -> float:
        return sum(float((blur(hr, sigma) - view).double().square().sum()) for hr, view in pairs)

    return float(minimize_scalar(error, bounds=(0.0, WIDEST), method="bounded", options={"xatol": 1e-3}).x)
