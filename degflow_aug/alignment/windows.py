"""How far a motion is off, window by window: measured on the photographs, not taken from the fit.

In a window of LR, with P the blurred HR brought there by the motion, the displacement d minimises
sum (Y - a P(q + d) - b - c q)^2 over d and the brightness a, b, c (Lucas and Kanade, 1981, with an affine brightness);
a few Gauss-Newton steps. Displacements are in HR pixels.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np

from degflow_aug.alignment.geometry import apply, reduction
from degflow_aug.alignment.luminance import Exposure, luminance
from degflow_aug.alignment.refinement import Seen, matching_blur, overlap
from degflow_aug.alignment.sampling import sample

ROWS, COLUMNS = 9, 12
SIDES = (20, 48)
PAD = 4
STEPS = 6
STILL = 0.005
"""A step of so many HR pixels is the last."""


class Windows(NamedTuple):
    """Measured windows.

    Attributes:
        places: (N, 2) middles in HR, (x, y).
        displacements: (N, 2) HR pixels from where the motion puts things to where they are.
        covariance: (N, 2, 2) of these, from the texture of the window and a noise variance of 1.
        noise: (N,) variance of what the window leaves unexplained.
        correlation: (N,) of both windows once displaced.
    """

    places: np.ndarray
    displacements: np.ndarray
    covariance: np.ndarray
    noise: np.ndarray
    correlation: np.ndarray


def measure(
    matrix: np.ndarray, hr: np.ndarray, lr: np.ndarray, view: Seen, rows: int = ROWS, columns: int = COLUMNS
) -> Windows:
    """Measure a grid of windows over the overlap of both photographs.

    Args:
        matrix: the motion.
        hr, lr: luminance in linear light.
        view: how LR saw what HR shows.
        rows, columns: most windows along each axis.
    """
    back = np.linalg.inv(matrix)
    region = overlap(matrix, hr.shape[:2], lr.shape[:2])
    side = int(np.clip(min(region.size) // 5, *SIDES))
    found = []
    for left, top in _corners(region, side, (columns, rows)):
        middle = apply(back, np.array([[left + (side - 1) / 2, top + (side - 1) / 2]]))[0]
        window = _window(back, hr, lr, (left, top), side, view)
        if window is not None:
            found.append((middle, *window))
    if not found:
        return Windows(np.zeros((0, 2)), np.zeros((0, 2)), np.zeros((0, 2, 2)), np.zeros(0), np.zeros(0))
    return Windows(*(np.array(each) for each in zip(*found, strict=True)))


def measure_view(hr: np.ndarray, view: np.ndarray, scale: float) -> Windows:
    """Measure what is left between HR and a view of its size, from their pixels alone.

    Args:
        hr, view: sRGB levels (H, W, 3) in uint8 or uint16, of one exposure.
        scale: that of the view; it is compared on a grid about as coarse.
    """
    height, width = hr.shape[:2]
    small = (max(1, round(width / scale)), max(1, round(height / scale)))
    light = cv2.resize(luminance(view), small, interpolation=cv2.INTER_AREA)
    matrix = reduction((width / small[0], height / small[1]))
    return measure(matrix, luminance(hr), light, Seen(scale, Exposure.of(1.0)))


def _corners(
    region: tuple[tuple[int, int], tuple[int, int]], side: int, most: tuple[int, int]
) -> list[tuple[int, int]]:
    """First pixels (x, y) of windows that fill the region evenly, at most half overlapping."""
    lines: list[list[int]] = []
    for start, length, limit in zip(region[0], region[1], most, strict=True):
        room = length - side - 2 * PAD
        count = int(np.clip(2 * room // side + 1, 1, limit)) if room >= 0 else 0
        lines.append(np.rint(np.linspace(start + PAD, start + PAD + max(room, 0), count)).astype(int).tolist())
    return [(left, top) for top in lines[1] for left in lines[0]]


def _window(
    back: np.ndarray, hr: np.ndarray, lr: np.ndarray, corner: tuple[int, int], side: int, view: Seen
) -> tuple[np.ndarray, np.ndarray, float, float] | None:
    """Displacement, its covariance at unit noise, noise variance, correlation; None where HR does not reach."""
    left, top = corner
    seen = view.exposure.of_lr(lr[top : top + side, left : left + side]).ravel().astype(np.float64)
    grid = np.stack(np.meshgrid(np.arange(left, left + side), np.arange(top, top + side)), -1).astype(float)
    there = apply(back, grid)
    patch = _hr_patch(hr, there, view)
    if patch is None:
        return None
    smooth, origin = patch
    there = there - origin
    ramps = [np.ones(side * side), *((grid[..., axis] - grid[..., axis].mean()).ravel() / side for axis in (0, 1))]
    displacement = np.zeros(2)
    for _ in range(STEPS):
        predicted = sample(smooth, there[..., 0] + displacement[0], there[..., 1] + displacement[1])
        design = np.column_stack([*ramps, predicted.reshape(side * side, 3)]).astype(np.float64)
        normal = design.T @ design
        normal[np.diag_indices(6)] += 1e-9 * np.trace(normal) + 1e-12
        inverse = np.linalg.inv(normal)
        solution = inverse @ (design.T @ seen)
        gain = solution[3]
        if gain <= 1e-3:
            break
        move = np.clip(solution[4:] / gain, -view.scale, view.scale)
        displacement = np.clip(displacement + move, -2 * view.scale, 2 * view.scale)
        if np.abs(move).max() < STILL:
            break
    left_over = seen - design @ solution
    base = np.stack(ramps, 1)
    seen_alone = seen - base @ np.linalg.lstsq(base, seen, rcond=None)[0]
    unexplained, total = float(left_over @ left_over), float(seen_alone @ seen_alone)
    correlation = math.copysign(math.sqrt(max(0.0, 1 - unexplained / max(total, 1e-12))), gain)
    covariance = inverse[4:, 4:] / max(gain, 1e-3) ** 2
    return displacement, covariance, unexplained / len(seen), correlation


def _hr_patch(hr: np.ndarray, there: np.ndarray, view: Seen) -> tuple[np.ndarray, np.ndarray] | None:
    """HR around places (h, w, 2), blurred, with its slopes (H, W, 3), and its first pixel; None at HR's edge."""
    sigma = matching_blur(view.scale, view.blur) * view.scale
    blur, move = math.ceil(3 * sigma), math.ceil(2 * view.scale + 3)
    low = np.floor(there.reshape(-1, 2).min(0)).astype(int)
    high = np.ceil(there.reshape(-1, 2).max(0)).astype(int) + 1
    # Half the blur may be replicated border: windows must reach near the edges, where motions are worst.
    if (low - blur // 3 < 0).any() or high[0] + blur // 3 > hr.shape[1] or high[1] + blur // 3 > hr.shape[0]:
        return None
    first = np.maximum(low - blur - move, 0)
    last = np.minimum(high + blur + move, np.array([hr.shape[1], hr.shape[0]]))
    patch = hr[first[1] : last[1], first[0] : last[0]]
    image = view.exposure.of_hr(cv2.GaussianBlur(patch, (0, 0), sigma))
    slope_y, slope_x = np.gradient(image)
    return np.stack([image, slope_x, slope_y], -1), first.astype(float)
