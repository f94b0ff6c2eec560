"""How colourful noise is at edges: demosaicing and displacements of single channels make fringes there."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

SHARE = 0.2
_LUMA = (0.299, 0.587, 0.114)


def edge_chroma(residuals: Sequence[Tensor], references: Sequence[Tensor]) -> float:
    """Compute the ratio of chroma to luma, at edges, in what LR images hold beside their deterministic ones.

    With the residual r = LR - reference in Y'CbCr of BT.601 (Y' = 0.299 R + 0.587 G + 0.114 B, Cb = (B - Y') / 1.772,
    Cr = (R - Y') / 1.402) and E the strongest fifth of the edges of each reference,

        ratio = sqrt(sum_E (Cb^2 + Cr^2) / sum_E Y'^2),

    the sums over all images. E has the pixels, borders left out, where the gradient magnitude of the reference's Y'
    (central differences) is among the highest 20 % of its image, equal ones included.

    Args:
        residuals: (B, 3, h, w) each, in the unit of [0, 1] images.
        references: the deterministic LR images, of the same shapes, of at least 3x3 pixels.

    Returns:
        0 for gray noise; NaN where the residuals have no luma at edges.

    Raises:
        ValueError: no images, or other shapes.
    """
    if not len(residuals):
        raise ValueError("expected at least one image to compare, got none")
    energy = torch.zeros(2, dtype=torch.float64)
    for residual, reference in zip(residuals, references, strict=True):
        if residual.shape != reference.shape or residual.ndim != 4 or min(residual.shape[-2:]) < 3:
            shapes = f"{tuple(residual.shape)} and {tuple(reference.shape)}"
            raise ValueError(f"expected residuals and references (B, 3, h, w) of at least 3x3 pixels, got {shapes}")
        edges = _strongest_edges(_luma(reference.double()))
        inside = residual[..., 1:-1, 1:-1].double()
        y = _luma(inside)
        chroma = ((inside[:, 2] - y) / 1.772).square() + ((inside[:, 0] - y) / 1.402).square()
        energy += torch.stack([(values * edges).sum() for values in (chroma, y.square())]).cpu()
    return math.sqrt(energy[0] / energy[1]) if energy[1] > 0 else math.nan


def _luma(image: Tensor) -> Tensor:
    return (image * image.new_tensor(_LUMA)[:, None, None]).sum(1)


def _strongest_edges(luma: Tensor) -> Tensor:
    """Where in (B, h, w), but for its borders, the gradient is among the steepest of its image: (B, h - 2, w - 2)."""
    across = luma[:, 1:-1, 2:] - luma[:, 1:-1, :-2]
    gradient = torch.hypot(across, luma[:, 2:, 1:-1] - luma[:, :-2, 1:-1])
    flat = gradient.flatten(1)
    lowest = flat.topk(max(1, round(SHARE * flat.shape[1])), dim=1).values[:, -1]
    return gradient >= lowest[:, None, None]
