"""A batch of squares of different sides, each resized to the same LR size, in one pass on the device."""

from __future__ import annotations

import contextlib

import torch
from torch import Tensor


def resample_patches(image: Tensor, sides: Tensor, lr_size: int) -> Tensor:
    """Resize the top-left square of every sample to one size, antialiased bicubic (a = -0.5).

    out[i] = W_i image[i] W_i^T, with the rows of W_i (L, P) the cubic kernel, stretched by max(side_i / L, 1), at the
    centres of the LR pixels, cut off at the square's edges and of sum 1: what ``grid.resize`` makes of that square.
    Nothing is read back from the device, and no shape depends on ``sides``. Autocast does not reach in here.

    Args:
        image: (B, C, H, W), H = W = P as a rule; 16-bit floats are computed in 32 bits.
        sides: (B,) whole numbers from 1 to min(H, W), on any device.
        lr_size: side L of the results.

    Returns:
        (B, C, L, L) of the image's dtype; values may leave [0, 1].
    """
    wide = image.float() if image.dtype in (torch.bfloat16, torch.float16) else image
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


def without_autocast(device: torch.device) -> contextlib.AbstractContextManager[object]:
    """A context in which float32 stays float32 on ``device``, also where there is no autocast (meta tensors)."""
    if torch.amp.is_autocast_available(device.type):
        return torch.autocast(device.type, enabled=False)
    return contextlib.nullcontext()


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
