"""The two pixel grids of a pair: the HR grid, on which views live, and the LR grid of the camera."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def check_scale(scale: float, low: float = 1.0, high: float = math.inf) -> float:
    """Return ``scale`` as a float if it is a finite number in [low, high], float32 rounding of either forgiven.

    Raises:
        ValueError: it is not.
    """
    value = float(scale)
    if high < value <= high * (1 + 1e-6):
        return high
    if low * (1 - 1e-6) <= value < low:
        return low
    if not math.isfinite(value) or not low <= value <= high:
        raise ValueError(f"expected a scale from {low:g} to {high:g}, got {scale}; name a scale inside that range")
    return value


def lr_size(height: int, width: int, scale: float) -> tuple[int, int]:
    """Size of the LR image of an HR image: (round(H / s), round(W / s)), never below one pixel."""
    return max(1, round(height / scale)), max(1, round(width / scale))


def resize(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Antialiased bicubic resize (a = -0.5, as Pillow) of (B, C, H, W) to (B, C, *size); values may leave [0, 1]."""
    if image.shape[-2:] == size:
        return image
    dtype = image.dtype
    wide = image.float() if dtype in (torch.bfloat16, torch.float16) else image
    return F.interpolate(wide, size=size, mode="bicubic", antialias=True, align_corners=False).to(dtype)


def to_lr_grid(view: Tensor, scale: float) -> Tensor:
    """Take a view (B, 3, H, W) in [0, 1] from the HR grid to the LR grid: (B, 3, round(H / s), round(W / s))."""
    return resize(view, lr_size(view.shape[-2], view.shape[-1], scale)).clamp(0, 1)


def to_hr_grid(lr: Tensor, size: tuple[int, int]) -> Tensor:
    """Bring LR images (B, 3, h, w) in [0, 1] back to the HR grid (B, 3, *size) by bicubic interpolation."""
    return resize(lr, size).clamp(0, 1)
