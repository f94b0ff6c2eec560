"""How differently sharp two images are, wherever their edges lie."""

from __future__ import annotations

import torch
from torch import Tensor

from degflow_aug.metrics.spectrum_distance import gray_levels


def gradient_distance(a: Tensor, b: Tensor) -> Tensor:
    """Wasserstein-1 distance between the distributions of gradient magnitude.

    With the luma Y in gray levels of 255 and forward differences, g = sqrt((Y[i+1, j] - Y[i, j])^2 + (Y[i, j+1] -
    Y[i, j])^2) on (H - 1) x (W - 1) pixels. For as many values on both sides the distance is mean |g_a(k) - g_b(k)|
    over the sorted values.

    Args:
        a, b: (B, 3, H, W), RGB in [0, 1], of at least 2x2 pixels.

    Returns:
        (B,) in float64, in gray levels a pixel; 0 for equal distributions.

    Raises:
        ValueError: images of different or other shapes, or too small.
    """
    sorted_a, sorted_b = (_magnitudes(image).sort(dim=1).values for image in gray_levels(a, b, smallest=2))
    return (sorted_a - sorted_b).abs().mean(1)


def _magnitudes(gray: Tensor) -> Tensor:
    """(B, H, W) -> (B, (H - 1)(W - 1))."""
    down = gray[:, 1:, :-1] - gray[:, :-1, :-1]
    across = gray[:, :-1, 1:] - gray[:, :-1, :-1]
    return torch.hypot(down, across).flatten(1)
