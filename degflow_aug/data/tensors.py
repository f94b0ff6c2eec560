"""Images as tensors, and back."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def to_tensor(image: np.ndarray) -> Tensor:
    """(H, W, 3) in uint8 or uint16 -> (3, H, W) in float32, [0, 1]."""
    peak = np.iinfo(image.dtype).max
    return torch.from_numpy(image.transpose(2, 0, 1).astype(np.float32, order="C")).div_(peak)


def to_array(image: Tensor) -> np.ndarray:
    """(3, H, W) in [0, 1] -> (H, W, 3) in uint8, rounded; values outside [0, 1] are clipped.

    Raises:
        ValueError: another shape, or values that are not finite.
    """
    if image.ndim != 3 or image.shape[0] != 3:
        raise ValueError(f"expected an image (3, H, W), got {tuple(image.shape)}")
    pixels = image.detach().float().cpu()
    if not bool(torch.isfinite(pixels).all()):
        raise ValueError("expected an image with values in [0, 1], got NaN or infinity; look where they arise")
    return pixels.clamp(0, 1).mul(255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
