"""Light of photographs: sRGB values to linear light and back, and how much brighter one was taken than another."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

# ITU-R BT.709: the share of red, green and blue in luminance.
LUMINANCE = (0.2126, 0.7152, 0.0722)
SATURATED = 0.97
"""Linear light above this share of the highest counts as clipped."""
STRIP_PIXELS = 1 << 20
DARKEST = 0.01
"""Linear light below is too coarsely quantised, at 8 bits, to tell a gain."""


@functools.cache
def _light_of_levels(levels: int) -> np.ndarray:
    """Linear light of each sRGB level (IEC 61966-2-1), float32."""
    value = np.arange(levels) / (levels - 1)
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4).astype(np.float32)


def to_light(image: np.ndarray) -> np.ndarray:
    """Convert sRGB levels in uint8 or uint16 of any shape to linear light in [0, 1], float32."""
    return _light_of_levels(np.iinfo(image.dtype).max + 1)[image]


def from_light(light: np.ndarray) -> np.ndarray:
    """Convert linear light to sRGB values in [0, 1]; light outside [0, 1] is clipped."""
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def luminance(image: np.ndarray) -> np.ndarray:
    """Compute the luminance (H, W) in linear light of sRGB levels (H, W, 3)."""
    total = np.empty(image.shape[:2], np.float32)
    # NumPy makes 64-bit indices of what it looks up, hence strips.
    rows = max(1, STRIP_PIXELS // image.shape[1])
    for top in range(0, len(image), rows):
        total[top : top + rows] = to_light(image[top : top + rows]) @ np.array(LUMINANCE, np.float32)
    return total


def gain(hr: np.ndarray, lr: np.ndarray) -> float:
    """Compute the gain of light from ``hr`` to ``lr`` at the same places: the median ratio where neither is clipped.

    Exposure and white balance multiply linear light, channel by channel, so that a gain is all that is needed; the
    median ignores what blur and displacement do at edges. NaN where fewer than 100 pixels can be compared.

    Args:
        hr, lr: linear light of one channel, equal shapes.
    """
    usable = (hr > DARKEST) & (lr > DARKEST) & (hr < SATURATED) & (lr < SATURATED)
    if np.count_nonzero(usable) < 100:
        return float("nan")
    # Which ratios are kept must not depend on the gain, or clipping would pull it towards 1.
    ratio = np.log(lr[usable]) - np.log(hr[usable])
    return float(np.exp(np.median(ratio)))


class Exposure(NamedTuple):
    """How the two luminances are made comparable: HR times ``gain``, both cut off at ``ceiling`` (linear light)."""

    gain: float
    ceiling: float

    @classmethod
    def of(cls, gain: float) -> Exposure:
        """Make the exposure of a gain: what one photograph has clipped is cut off the other as well."""
        return cls(gain, SATURATED * min(1.0, gain))

    def of_hr(self, light: np.ndarray) -> np.ndarray:
        """Convert HR's luminance, blurred before, to display values as LR would have them."""
        return self.of_lr(light * np.float32(self.gain))

    def of_lr(self, light: np.ndarray) -> np.ndarray:
        """Convert LR's luminance to display values; the root keeps shadows from vanishing beside lights."""
        return np.sqrt(np.clip(light, 0, np.float32(self.ceiling)))
