"""Metrics of the package pyiqa in BasicSR's ``val.metrics``: DISTS, MUSIQ, MANIQA, CLIPIQA, TOPIQ and all others."""

from __future__ import annotations

import functools
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch


def check_pyiqa(metric: str) -> None:
    """Look whether pyiqa is installed and knows a metric; its weights are downloaded when it is first asked for.

    Raises:
        ValueError: it is not, or does not.
    """
    if find_spec("pyiqa") is None:
        raise ValueError(f"expected pyiqa for the metric {metric}, got none; pip install pyiqa, or take the metric out")
    import pyiqa

    if metric not in pyiqa.list_models():
        raise ValueError(f"expected a metric that pyiqa has, got {metric!r}; pyiqa.list_models() tells them")


def lower_is_better(metric: str) -> bool:
    """Which values of a metric are better, as pyiqa has it.

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


def _tensor(image: np.ndarray, border: int, device: str) -> torch.Tensor:
    inner = image[border : image.shape[0] - border, border : image.shape[1] - border, ::-1]
    return torch.from_numpy(inner.astype(np.float32) / 255).permute(2, 0, 1)[None].to(device)


def calculate_pyiqa(img: np.ndarray, metric: str, crop_border: int = 0, device: str | None = None) -> float:
    """A metric of one image (H, W, 3), BGR in [0, 255]: musiq, maniqa-pipal, clipiqa, topiq_nr, niqe, ...

    Raises:
        ValueError: no pyiqa, or no such metric.
    """
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    with torch.no_grad():
        return float(_metric(metric, device)(_tensor(img, crop_border, device)))


def calculate_pyiqa_fr(
    img: np.ndarray, img2: np.ndarray, metric: str, crop_border: int = 0, device: str | None = None
) -> float:
    """A metric of two images of one size: dists, topiq_fr, lpips, ...

    Raises:
        ValueError: no pyiqa, no such metric, or sizes that differ.
    """
    if img.shape != img2.shape:
        raise ValueError(f"expected two images of one size, got {img.shape} and {img2.shape}")
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    with torch.no_grad():
        return float(_metric(metric, device)(*(_tensor(image, crop_border, device) for image in (img, img2))))
