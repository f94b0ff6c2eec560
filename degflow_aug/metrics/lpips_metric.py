"""LPIPS as a metric of BasicSR's ``val.metrics``."""

from __future__ import annotations

import functools

import numpy as np
import torch

from degflow_aug.losses.lpips_loss import LPIPSLoss


@functools.lru_cache(maxsize=2)
def _distance(vgg_path: str | None) -> LPIPSLoss:
    return LPIPSLoss(vgg_path=vgg_path, average_pooling=False)


@torch.no_grad()
def calculate_lpips(img: np.ndarray, img2: np.ndarray, vgg_path: str | None = None, crop_border: int = 0) -> float:
    """LPIPS (VGG16, lower is better) of two images, as the ``lpips`` package has it.

    Args:
        img, img2: (H, W, 3) BGR in [0, 255], as BasicSR's other metrics take them.
        vgg_path: torchvision's VGG16 weights; default: torchvision's cache.
        crop_border: pixels left out on each side.

    Raises:
        ValueError: sizes that differ, or no weights.
    """
    if img.shape != img2.shape:
        raise ValueError(f"expected two images of one size, got {img.shape} and {img2.shape}")
    tensors = []
    for image in (img, img2):
        inner = image[crop_border : image.shape[0] - crop_border, crop_border : image.shape[1] - crop_border, ::-1]
        tensors.append(torch.from_numpy(inner.astype(np.float32) / 127.5 - 1).permute(2, 0, 1)[None])
    return float(_distance(vgg_path).per_sample(*tensors))
