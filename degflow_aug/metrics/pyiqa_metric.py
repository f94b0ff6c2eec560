"""Metrics of the package pyiqa in BasicSR's ``val.metrics``: DISTS, MUSIQ, MANIQA, CLIPIQA, TOPIQ and all others."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch


def check_pyiqa(metric: str) -> None:
    """Check that pyiqa is installed and knows a metric; its weights are downloaded when it is first asked for.

    Raises:
        ValueError: it is not, or does not.
    """
    if find_spec("pyiqa") is None:
        raise ValueError(f"expected pyiqa for the metric {metric}, got none; pip install pyiqa, or take the metric out")
    import pyiqa

    if metric not in pyiqa.list_models():
        raise ValueError(f"expected a metric that pyiqa has, got {metric!r}; pyiqa.list_models() tells them")


def lower_is_better(metric: str) -> bool:
    """Tell whether lower values of a metric are better, as pyiqa has it.

    Raises:
        ValueError: as :func:`check_pyiqa`.
    """
    check_pyiqa(metric)
    from pyiqa.default_model_configs import DEFAULT_CONFIGS

    return bool(DEFAULT_CONFIGS[metric].get("lower_better", False))


@functools.lru_cache(maxsize=8)
def _metric(name: str, device: str) -> Any:
    check_pyiqa(name)
    import pyiqa

    return pyiqa.create_metric(name, device=torch.device(device))


@torch.no_grad()
def _measure(metric: str, images: Sequence[np.ndarray], border: int, device: str | None) -> float:
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    inner = [image[border : image.shape[0] - border, border : image.shape[1] - border, ::-1] for image in images]
    tensors = [torch.from_numpy(image.astype(np.float32) / 255).permute(2, 0, 1)[None].to(device) for image in inner]
    return float(_metric(metric, device)(*tensors))


def calculate_pyiqa(img: np.ndarray, metric: str, crop_border: int = 0, device: str | None = None) -> float:
    """Measure one image (H, W, 3), BGR in [0, 255], by musiq, maniqa-pipal, clipiqa, topiq_nr, niqe, ...

    Raises:
        ValueError: no pyiqa, or no such metric.
    """
    return _measure(metric, (img,), crop_border, device)


def calculate_pyiqa_fr(
    img: np.ndarray, img2: np.ndarray, metric: str, crop_border: int = 0, device: str | None = None
) -> float:
    """Measure two images of one size, (H, W, 3), BGR in [0, 255], by dists, topiq_fr, lpips, ...

    Raises:
        ValueError: no pyiqa, no such metric, or sizes that differ.
    """
    if img.shape != img2.shape:
        raise ValueError(f"expected two images of one size, got {img.shape} and {img2.shape}")
    return _measure(metric, (img, img2), crop_border, device)
