"""Values of an image between its pixels, at exact coordinates (OpenCV rounds these to 1/32 of a pixel)."""

from __future__ import annotations

import numpy as np

CUBIC = -0.5
STRIP_PIXELS = 1 << 18


def sample(image: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Interpolate (H, W) or (H, W, C) by Keys' cubic (a = -0.5, as everywhere in this package), edges replicated.

    Args:
        image: float32.
        x, y: coordinates of one shape, (0, 0) the centre of the first pixel.

    Returns:
        float32 of the shape of ``x`` (and C).
    """
    height, width = image.shape[:2]
    flat = image.reshape(height * width, -1)
    left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    across, down = _weights(x - left), _weights(y - top)
    columns = [np.clip(left + offset, 0, width - 1) for offset in range(-1, 3)]
    total = np.zeros((*x.shape, flat.shape[1]), np.float32)
    for offset, vertical in zip(range(-1, 3), down, strict=True):
        row = np.clip(top + offset, 0, height - 1) * width
        line = np.zeros_like(total)
        for column, horizontal in zip(columns, across, strict=True):
            line += horizontal[..., None] * flat[row + column]
        total += vertical[..., None] * line
    return total if image.ndim == 3 else total[..., 0]


def _weights(t: np.ndarray) -> list[np.ndarray]:
    """Weights of the pixels at -1, 0, 1, 2 for a place t in [0, 1) between 0 and 1."""
    a = CUBIC
    outer_left = ((a * t - 2 * a) * t + a) * t
    inner_left = ((a + 2) * t - (a + 3)) * t * t + 1
    u = 1 - t
    inner_right = ((a + 2) * u - (a + 3)) * u * u + 1
    outer_right = ((a * u - 2 * a) * u + a) * u
    return [weight.astype(np.float32) for weight in (outer_left, inner_left, inner_right, outer_right)]
