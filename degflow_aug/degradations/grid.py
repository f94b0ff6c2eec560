"""The two pixel grids of a pair, the HR grid, on which views live, and the LR grid: their sizes, and the way between.

Whole images go from one to the other at one scale, patches at a scale per sample; both by the same bicubic kernel.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def check_scale(scale: float, low: float = 1.0, high: float = math.inf) -> float:
    """Return ``scale`` as a float if it is a finite number in [low, high], float32 rounding of either forgiven.

    Raises:
        ValueError: it is not.
    """
    # NumPy's and torch's truth values are no numbers either.
    told = isinstance(scale, (str, bytes, bool)) or "bool" in str(getattr(scale, "dtype", ""))
    try:
        value = float("none" if told else scale)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise ValueError(
            f"expected one scale as a number, got {scale!r}; a scale per sample is a tensor (B,) for lr_patches"
        ) from None
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
    wide = at_least_float32(image)
    return F.interpolate(wide, size=size, mode="bicubic", antialias=True, align_corners=False).to(image.dtype)


def to_lr_grid(view: Tensor, scale: float) -> Tensor:
    """Take a view (B, 3, H, W) in [0, 1] from the HR grid to the LR grid: (B, 3, round(H / s), round(W / s))."""
    return resize(view, lr_size(view.shape[-2], view.shape[-1], scale)).clamp(0, 1).contiguous()


def to_hr_grid(lr: Tensor, size: tuple[int, int]) -> Tensor:
    """Bring LR images (B, 3, h, w) in [0, 1] back to the HR grid (B, 3, *size) by bicubic interpolation."""
    return resize(lr, size).clamp(0, 1).contiguous()


def resample_patches(image: Tensor, sides: Tensor, lr_size: int) -> Tensor:
    """Resize the top-left square of every sample to one size, antialiased bicubic (a = -0.5).

    out[i] = W_i image[i] W_i^T, with the rows of W_i (L, P) the cubic kernel, stretched by max(side_i / L, 1), at the
    centres of the LR pixels, cut off at the square's edges and of sum 1: what :func:`resize` makes of that square.
    Nothing is read back from the device, and no shape depends on ``sides``. Autocast does not reach in here.

    Args:
        image: (B, C, H, W), H = W = P as a rule; 16-bit floats are computed in 32 bits.
        sides: (B,) whole numbers from 1 to min(H, W), on any device.
        lr_size: side L of the results.

    Returns:
        (B, C, L, L) of the image's dtype; values may leave [0, 1].
    """
    wide = at_least_float32(image)
    sides = sides.to(image.device, torch.int64, non_blocking=True)
    batch, channels, height, width = wide.shape
    with without_autocast(image.device):
        columns = _weights(sides, width, lr_size, wide.dtype)
        rows = columns if height == width else _weights(sides, height, lr_size, wide.dtype)
        narrow = torch.bmm(wide.reshape(batch, channels * height, width), columns.mT)
        # Channels beside each other, so that one matrix per sample serves them all.
        narrow = narrow.view(batch, channels, height, lr_size).transpose(1, 2).reshape(batch, height, -1)
        result = torch.bmm(rows, narrow).view(batch, lr_size, channels, lr_size).transpose(1, 2)
    return result.contiguous().to(image.dtype)


def at_least_float32(values: Tensor) -> Tensor:
    """16-bit floats as 32-bit ones, others as they are."""
    return values.float() if values.dtype in (torch.bfloat16, torch.float16) else values


def without_autocast(device: torch.device) -> contextlib.AbstractContextManager[object]:
    """A context in which float32 stays float32 on ``device``, also where there is no autocast (meta tensors)."""
    if torch.amp.is_autocast_available(device.type):
        return torch.autocast(device.type, enabled=False)
    return contextlib.nullcontext()


def join(images: Sequence[Tensor]) -> Tensor:
    """Concatenate (b, C, H, W) along the first axis, also under an autocast to other 16-bit floats than theirs."""
    with without_autocast(images[0].device):
        return torch.cat(list(images))


def _weights(sides: Tensor, size: int, lr_size: int, dtype: torch.dtype) -> Tensor:
    """The matrices (B, L, size) that resize the first ``sides[i]`` of ``size`` samples to L."""
    side = sides.view(-1, 1, 1)
    target = 2 * torch.arange(lr_size, device=sides.device)[:, None] + 1
    source = 2 * torch.arange(size, device=sides.device) + 1
    # Twice the distance in units of 1 / L is a whole number: one rounding is left, in the division.
    distance = (source * lr_size - target * side).to(dtype).abs() / (2 * side.clamp_min(lr_size)).to(dtype)
    weights = _cubic(distance) * (source < 2 * side)
    return weights / weights.sum(-1, keepdim=True)


def _cubic(x: Tensor) -> Tensor:
    """Keys' cubic convolution kernel with a = -0.5 at distances x >= 0."""
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((2.5 - 0.5 * x) * x - 4) * x + 2
    return torch.where(x < 1, near, far) * (x < 2)
