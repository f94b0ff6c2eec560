"""NIQE on an image too small for it.

BasicSR 1.4.2 lets NumPy's LinAlgError end the training run.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable

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


def patch() -> None:
    """Install the tolerant NIQE; ``calculate_niqe`` finds it whichever way it is reached."""
    import basicsr.metrics.niqe

    basicsr.metrics.niqe.niqe = tolerant_niqe(basicsr.metrics.niqe.niqe)
