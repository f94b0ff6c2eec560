"""Metrics that are not defined on an image, and those that take other arguments than BasicSR gives them.

BasicSR 1.4.2 lets NumPy's LinAlgError end the training run at an image too small for NIQE, and a TypeError at a metric
without a true image, or with ``better``. Where ``crop_border`` leaves nothing it averages NaN, or OpenCV fails.
"""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np


def tolerant_niqe(niqe: Callable[..., float]) -> Callable[..., float]:
    """Wrap BasicSR's ``niqe`` so that an image it is not defined on gives NaN and a warning.

    NIQE fits a Gaussian to the features of 96x96 blocks, which takes at least two of them with some texture.
    """

    @functools.wraps(niqe)
    def wrapper(
        img: np.ndarray,
        mu_pris_param: np.ndarray,
        cov_pris_param: np.ndarray,
        gaussian_window: np.ndarray,
        block_size_h: int = 96,
        block_size_w: int = 96,
    ) -> float:
        """BasicSR's ``niqe``, or NaN where it is not defined."""
        height, width = np.atleast_2d(img).shape
        if (height // block_size_h) * (width // block_size_w) >= 2:
            try:
                return niqe(img, mu_pris_param, cov_pris_param, gaussian_window, block_size_h, block_size_w)
            except np.linalg.LinAlgError:
                pass
        warnings.warn(
            f"NIQE is not defined on this image of {height}x{width}: it needs two textured blocks of "
            f"{block_size_h}x{block_size_w}; the result is NaN",
            stacklevel=2,
        )
        return float("nan")

    return wrapper


_SSIM_WINDOWS = {"calculate_ssim": 11, "calculate_ssim_interflow": 7}


def check_border(section: Mapping[str, Any], size: tuple[int, int]) -> None:
    """Look whether ``crop_border`` leaves enough of an image for a metric.

    Args:
        section: an entry of ``val.metrics``; a border that is no number is not looked at.
        size: (height, width) of the image.

    Raises:
        ValueError: it does not.
    """
    border = section.get("crop_border", 0)
    least = _SSIM_WINDOWS.get(str(section.get("type")), 1)
    if isinstance(border, int) and min(size) - 2 * border < least:
        raise ValueError(
            f"expected at least {least}x{least} pixels inside crop_border {border} for {section.get('type')} in "
            f"val.metrics, got an image of {size[0]}x{size[1]}; lower crop_border, or take small images out"
        )


def calculate_metric(data: Mapping[str, Any], opt: Mapping[str, Any]) -> float:
    """BasicSR's function of this name; a metric without ``img2`` is not given the true image, and none ``better``.

    Args:
        data: ``img`` and, where there is a true image, ``img2``: (H, W, 3), uint8, BGR.
        opt: an entry of ``val.metrics``.

    Raises:
        ValueError: as :func:`check_border`, or no true image for a metric that compares with one.
    """
    from basicsr.utils.registry import METRIC_REGISTRY

    metric = METRIC_REGISTRY.get(opt["type"])
    check_border(opt, data["img"].shape[:2])
    compares = "img2" in inspect.signature(metric).parameters
    if compares and data.get("img2") is None:
        raise ValueError(f"expected true images for {opt['type']} in val.metrics, got LR alone; take the metric out")
    images = {key: data[key] for key in ("img", *(("img2",) if compares else ()))}
    return float(metric(**images, **{key: value for key, value in opt.items() if key not in ("type", "better")}))


def patch() -> None:
    """Install the tolerant NIQE, which ``calculate_niqe`` finds whichever way it is reached, and calculate_metric."""
    import basicsr.metrics.niqe
    from basicsr.models import sr_model, video_base_model, video_recurrent_model

    for module in (basicsr.metrics, sr_model, video_base_model, video_recurrent_model):
        module.calculate_metric = calculate_metric
    basicsr.metrics.niqe.niqe = tolerant_niqe(basicsr.metrics.niqe.niqe)
