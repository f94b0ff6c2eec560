"""PSNR and SSIM as the evaluations of InterFlow, which DegFlow's Table 2 is of, and of RealArbiSR have them, and the
PSNR of views in DegFlow's own validation.

All are of images that are not rounded to 8 bits; validation gives them such (``UNROUNDED``).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

UNROUNDED = (
    "calculate_psnr_interflow", "calculate_ssim_interflow", "calculate_psnr_realarbisr", "calculate_psnr_degflow",
    "calculate_lpips_interflow",
)  # fmt: skip
CAMERA_MEANS = ("calculate_psnr_interflow", "calculate_ssim_interflow", "calculate_lpips_interflow")
"""Of these the mean is that of the cameras' means."""
INTERFLOW_BORDER = 4
_LUMA = np.array((24.966, 128.553, 65.481)) / 255
_REALARBISR_LUMA = np.array((25.064, 129.057, 65.738)) / 256


def calculate_psnr_interflow(
    img: NDArray[np.generic], img2: NDArray[np.generic], crop_border: int = INTERFLOW_BORDER, multiple: int = 4
) -> float:
    """Compute Y-PSNR in dB, 10 log10(255^2 / mean (Y - Y')^2), infinite for equal images.

    Args:
        img, img2: (H, W, 3) BGR in [0, 255].
        crop_border: pixels left out on each side.
        multiple: before that, sides are cut to multiples of it at the bottom and right; 3 for arbitrary-scale networks.

    Raises:
        ValueError: sizes that differ.
    """
    first, second = _luma_pair(img, img2, crop_border, multiple)
    return _decibel(float(np.mean((first - second) ** 2)), 255.0)


def calculate_ssim_interflow(
    img: NDArray[np.generic], img2: NDArray[np.generic], crop_border: int = INTERFLOW_BORDER, multiple: int = 4
) -> float:
    """Compute the SSIM of Y by scikit-image: a uniform window of 7 pixels and the sample covariance.

    Args and errors as in :func:`calculate_psnr_interflow`.
    """
    first, second = _luma_pair(img, img2, crop_border, multiple)
    return float(structural_similarity(first, second, data_range=255))


def calculate_psnr_realarbisr(img: NDArray[np.generic], img2: NDArray[np.generic], crop_border: int = 0) -> float:
    """Compute the PSNR in dB of the luma of the difference, of weights (65.738, 129.057, 25.064) / 256 for R, G, B.

    Args:
        img, img2: (H, W, 3) BGR in [0, 255].
        crop_border: pixels left out on each side; there the scale, rounded up.

    Raises:
        ValueError: sizes that differ.
    """
    _check_sizes(img, img2)
    difference = _inside(img.astype(np.float64) - img2.astype(np.float64), crop_border) / 255 @ _REALARBISR_LUMA
    return _decibel(float(np.mean(difference**2)), 1.0)


def calculate_psnr_degflow(img: NDArray[np.generic], img2: NDArray[np.generic], crop_border: int = 0) -> float:
    """Compute Y-PSNR in dB, -10 log10(mean (Y - Y')^2 + 1e-8) for Y in [0, 1]: at most 80.

    Args and errors as in :func:`calculate_psnr_realarbisr`.
    """
    first, second = _luma_pair(img, img2, crop_border, 1)
    return -10 * math.log10(float(np.mean((first - second) ** 2)) / 255**2 + 1e-8)


def _luma_pair(
    img: NDArray[np.generic], img2: NDArray[np.generic], border: int, multiple: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Y of both, 16 to 235 and not rounded, without what is left out."""
    _check_sizes(img, img2)
    height, width = (side - side % multiple for side in img.shape[:2])
    first, second = (_inside(image[:height, :width].astype(np.float64) @ _LUMA + 16, border) for image in (img, img2))
    return first, second


def _inside(image: NDArray[np.float64], border: int) -> NDArray[np.float64]:
    return image[border : image.shape[0] - border, border : image.shape[1] - border]


def _check_sizes(img: NDArray[np.generic], img2: NDArray[np.generic]) -> None:
    if img.shape != img2.shape:
        raise ValueError(f"expected two images of one size, got {img.shape} and {img2.shape}")


def _decibel(error: float, peak: float) -> float:
    return 10 * math.log10(peak**2 / error) if error else math.inf
