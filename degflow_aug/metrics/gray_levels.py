"""The luma that distances between distributions are measured on."""

from __future__ import annotations

from torch import Tensor

# BT.601 in full range: noise and edges count in the gray levels that users see.
_WEIGHTS = (0.299, 0.587, 0.114)


def gray_levels(a: Tensor, b: Tensor, smallest: int) -> tuple[Tensor, Tensor]:
    """Luma of two batches of images in gray levels: (B, 3, H, W) in [0, 1] -> (B, H, W) in [0, 255], float64.

    Raises:
        ValueError: images of different or other shapes, or below ``smallest`` pixels a side.
    """
    if a.ndim != 4 or a.shape[1] != 3 or a.shape != b.shape:
        shapes = f"{tuple(a.shape)} and {tuple(b.shape)}"
        raise ValueError(f"expected two RGB images (B, 3, H, W) of one shape, got {shapes}")
    if min(a.shape[-2:]) < smallest:
        raise ValueError(f"expected images of at least {smallest}x{smallest}, got {a.shape[-2]}x{a.shape[-1]}")
    weights = a.new_tensor(_WEIGHTS).double()[:, None, None] * 255
    return (a.double() * weights).sum(1), (b.double() * weights).sum(1)
