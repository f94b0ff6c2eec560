"""What a phone makes of the values of its sensor: demosaicing, denoising, tones, sharpening, and a JPEG file.

Images are (H, W, 3) arrays, RGB. The filters are OpenCV's.
"""

from __future__ import annotations

import cv2
import numpy as np

_SENSOR_PEAK = 65535
_BORDER = 8


def mosaic(light: np.ndarray) -> np.ndarray:
    """Keep one channel per pixel, R G over G B: (H, W, 3) -> (H, W)."""
    values = light[..., 1].copy()
    values[::2, ::2] = light[::2, ::2, 0]
    values[1::2, 1::2] = light[1::2, 1::2, 2]
    return values


def demosaic(values: np.ndarray) -> np.ndarray:
    """Interpolate what :func:`mosaic` left out along edges: (H, W) in [0, 1] -> (H, W, 3) in float32."""
    whole = np.rint(values * _SENSOR_PEAK).astype(np.uint16)
    # OpenCV repeats the outermost result. An even border keeps the colours where they are, and mirrors them rightly.
    padded = cv2.copyMakeBorder(whole, _BORDER, _BORDER, _BORDER, _BORDER, cv2.BORDER_REFLECT_101)
    # OpenCV names the pattern by its second row and column: what it calls BG is R G over G B.
    colours = cv2.demosaicing(padded, cv2.COLOR_BayerBG2RGB_EA)
    return colours[_BORDER:-_BORDER, _BORDER:-_BORDER].astype(np.float32) / _SENSOR_PEAK


def denoise(display: np.ndarray, luma: float, chroma: float, reach: float) -> np.ndarray:
    """Bilateral filters on luma and, wider and stronger, on chroma; ``luma`` and ``chroma`` are their tolerances."""
    channels = list(cv2.split(cv2.cvtColor(display, cv2.COLOR_RGB2YCrCb)))
    for index, (tolerance, sigma) in enumerate(((luma, reach), (chroma, 2 * reach), (chroma, 2 * reach))):
        if tolerance:
            channels[index] = cv2.bilateralFilter(
                channels[index], 2 * round(2 * sigma) + 1, tolerance, sigma, borderType=cv2.BORDER_REFLECT_101
            )
    return cv2.cvtColor(cv2.merge(channels), cv2.COLOR_YCrCb2RGB)


def map_tones(light: np.ndarray, strength: float, radius: int) -> np.ndarray:
    """Compress the contrast between regions of linear light by ``strength``, and leave that within them.

    The regions' light is the guided filter of log luminance by itself (radius in pixels, tolerance of half a stop).
    """
    if not strength:
        return light
    stops = np.log2(light @ np.array([0.2126, 0.7152, 0.0722], np.float32) + 1e-3)
    size = (2 * radius + 1, 2 * radius + 1)

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.boxFilter(values, -1, size, borderType=cv2.BORDER_REFLECT_101)

    average = mean(stops)
    variance = np.maximum(mean(stops * stops) - average * average, 0)
    share = variance / (variance + 0.25)
    regions = mean(share) * stops + mean((1 - share) * average)
    # Middle gray keeps its place.
    gain = np.exp2(-strength * (regions - np.log2(np.float32(0.18))))
    return np.clip(light * gain[..., None], 0, 1)


def sharpen(display: np.ndarray, amount: float, sigma: float, core: float, limit: float) -> np.ndarray:
    """Add detail of luma, less ``core`` and at most ``limit`` either way."""
    luma = cv2.cvtColor(display, cv2.COLOR_RGB2GRAY)
    detail = luma - cv2.GaussianBlur(luma, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101)
    added = np.clip(amount * np.sign(detail) * np.maximum(np.abs(detail) - core, 0), -limit, limit)
    return display + added[..., None]


def through_jpeg(pixels: np.ndarray, quality: int, subsampling: bool) -> np.ndarray:
    """Write (H, W, 3) in uint8 as a JPEG file and read it again; quality 0 leaves it as it is."""
    if not quality:
        return pixels
    factor = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420 if subsampling else cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, factor]
    written = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), options)[1]
    return cv2.cvtColor(cv2.imdecode(written, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def to_light(display: np.ndarray) -> np.ndarray:
    """Linear light of sRGB values in [0, 1] (IEC 61966-2-1)."""
    curve = ((np.maximum(display, 0) + 0.055) / 1.055) ** 2.4
    return np.where(display <= 0.04045, display / 12.92, curve).astype(np.float32)


def to_display(light: np.ndarray) -> np.ndarray:
    """sRGB values of linear light in [0, 1] (IEC 61966-2-1)."""
    curve = 1.055 * np.maximum(light, 0) ** (1 / 2.4) - 0.055
    return np.where(light <= 0.0031308, 12.92 * light, curve).astype(np.float32)


def add_contrast(display: np.ndarray, amount: float) -> np.ndarray:
    """Mix values in [0, 1] with their smooth step 3 x^2 - 2 x^3."""
    return (1 - amount) * display + amount * display * display * (3 - 2 * display)
