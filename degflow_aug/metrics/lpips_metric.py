"""LPIPS as a metric of BasicSR's ``val.metrics``."""

from __future__ import annotations

import functools
import math
import warnings

import numpy as np
import torch

from degflow_aug.metrics.lpips_loss import VGG_FILE, LPIPSLoss, vgg_file

# VGG16 halves an image four times.
_SMALLEST = 16


def check_weights(vgg_path: str | None = None) -> None:
    """Look for VGG16's weights, which LPIPS reads only when it is first asked for.

    Raises:
        ValueError: there is no such file.
    """
    file = vgg_file(vgg_path)
    if not file.is_file():
        raise ValueError(
            f"expected torchvision's VGG16 weights for calculate_lpips at {file}, got none; place {VGG_FILE} there, "
            "name it in the metric's vgg_path, or take the metric out"
        )


@functools.lru_cache(maxsize=2)
def _distance(vgg_path: str | None, device: str) -> LPIPSLoss:
    return LPIPSLoss(vgg_path=vgg_path, average_pooling=False).to(device)


@torch.no_grad()
def calculate_lpips(
    img: np.ndarray,
    img2: np.ndarray,
    vgg_path: str | None = None,
    crop_border: int = 0,
    device: str | None = None,
) -> float:
    """Compute LPIPS (VGG16, lower is better) of two images, as the ``lpips`` package has it.

    Args:
        img, img2: (H, W, 3) BGR in [0, 255], as BasicSR's other metrics take them.
        vgg_path: torchvision's VGG16 weights; default: torchvision's cache.
        crop_border: pixels left out on each side.
        device: where VGG16 runs; default: the GPU where there is one.

    Returns:
        The distance; NaN, with a warning, for an image of fewer than 16 pixels on a side, which VGG16 cannot halve.

    Raises:
        ValueError: sizes that differ, or no weights.
    """
    if img.shape != img2.shape:
        raise ValueError(f"expected two images of one size, got {img.shape} and {img2.shape}")
    height, width = (side - 2 * crop_border for side in img.shape[:2])
    if min(height, width) < _SMALLEST:
        warnings.warn(
            f"LPIPS is not defined on {height}x{width} pixels: VGG16 needs {_SMALLEST}x{_SMALLEST}; the result is NaN",
            stacklevel=2,
        )
        return math.nan
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    tensors = []
    for image in (img, img2):
        inner = image[crop_border : crop_border + height, crop_border : crop_border + width, ::-1]
        tensors.append(torch.from_numpy(inner.astype(np.float32) / 127.5 - 1).permute(2, 0, 1)[None].to(device))
    return float(_distance(vgg_path, device).per_sample(*tensors))


def calculate_lpips_interflow(
    img: np.ndarray, img2: np.ndarray, vgg_path: str | None = None, multiple: int = 4, device: str | None = None
) -> float:
    """Compute LPIPS as InterFlow's evaluation does, of images that are not rounded, without a border.

    Args:
        img, img2, vgg_path, device: as for :func:`calculate_lpips`, whose result and errors it has.
        multiple: sides are cut to multiples of it at the bottom and right; 3 for arbitrary-scale networks.
    """
    height, width = (side - side % multiple for side in img.shape[:2])
    if img.shape == img2.shape:
        img, img2 = img[:height, :width], img2[:height, :width]
    return calculate_lpips(img, img2, vgg_path, device=device)
