"""The view: an LR photograph on HR's grid, with HR's light."""

from __future__ import annotations

import numpy as np

from degflow_aug.alignment.geometry import Rectangle, apply
from degflow_aug.alignment.luminance import SATURATED, from_light, to_light
from degflow_aug.alignment.sampling import STRIP_PIXELS, sample


def render_view(lr: np.ndarray, matrix: np.ndarray, crop: Rectangle, gains: tuple[float, float, float]) -> np.ndarray:
    """Render the LR photograph at every pixel of ``crop`` of HR, cubic between its pixels, its light over ``gains``.

    Args:
        lr: sRGB levels (h, w, 3), uint8 or uint16.
        matrix: (3, 3) from HR to LR pixels.
        crop: of HR.
        gains: of linear light, (red, green, blue).

    Returns:
        sRGB levels of the type of ``lr``, as large as ``crop``.
    """
    width = crop.right - crop.left
    view = np.empty((crop.bottom - crop.top, width, 3), lr.dtype)
    levels = np.arange(np.iinfo(lr.dtype).max + 1, dtype=lr.dtype)
    tables = [from_light(to_light(levels) / value) for value in gains]
    rows = max(1, STRIP_PIXELS // width)
    for top in range(0, len(view), rows):
        y, x = np.mgrid[crop.top + top : crop.top + min(top + rows, len(view)), crop.left : crop.right]
        there = apply(matrix, np.stack([x, y], -1).astype(float))
        # Only the part of LR that the strip needs becomes floating point.
        first = np.maximum(np.floor(there.min((0, 1))).astype(int) - 2, 0)
        last = np.ceil(there.max((0, 1))).astype(int) + 4
        part = lr[first[1] : last[1], first[0] : last[0]].astype(np.float32)
        values = sample(part, there[..., 0] - first[0], there[..., 1] - first[1])
        for channel, table in enumerate(tables):
            matched = np.interp(values[..., channel], levels, table)
            view[top : top + rows, :, channel] = np.rint(matched * np.iinfo(lr.dtype).max)
    return view


def clipped_share(lr: np.ndarray, matrix: np.ndarray, crop: Rectangle) -> float:
    """Compute the share of the crop where a channel of LR is clipped, from about 500 columns."""
    step = max(1, (crop.right - crop.left) // 500)
    y, x = np.mgrid[crop.top : crop.bottom : step, crop.left : crop.right : step]
    there = np.rint(apply(matrix, np.stack([x, y], -1).astype(float))).astype(int)
    brightest = lr[there[..., 1].clip(0, len(lr) - 1), there[..., 0].clip(0, lr.shape[1] - 1)].max(-1)
    return float((to_light(brightest) > SATURATED).mean())
