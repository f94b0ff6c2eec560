"""Motions between photographs: 3x3 matrices that take pixels (x, y) of the HR photograph to pixels of the LR one.

The centre of the first pixel is (0, 0).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

Size = tuple[int, int]
"""(height, width)."""


class Motion(NamedTuple):
    """What a matrix does at the middle of the HR photograph.

    Attributes:
        scale: HR pixels that an LR pixel covers.
        rotation: degrees, from the x axis towards the y axis (clockwise as seen).
        shift: (x, y) in HR pixels from the middle of the LR photograph to where the middle of HR lies in it.
        anisotropy: greatest over smallest magnification, 1 for a similarity.
    """

    scale: float
    rotation: float
    shift: tuple[float, float]
    anisotropy: float


def similarity(scale: float, rotation: float, shift: tuple[float, float], hr: Size, lr: Size) -> np.ndarray:
    """Make the matrix whose :func:`motion_of` is these (angles in degrees, shift in HR pixels)."""
    angle = math.radians(rotation)
    linear = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]) / scale
    matrix = np.eye(3)
    matrix[:2, :2] = linear
    matrix[:2, 2] = middle(lr) + np.array(shift) / scale - linear @ middle(hr)
    return matrix


def motion_of(matrix: np.ndarray, hr: Size, lr: Size) -> Motion:
    """Read scale, rotation, shift and anisotropy off a matrix at the middle of HR."""
    linear = jacobian(matrix, middle(hr))
    values = np.linalg.svd(linear, compute_uv=False)
    determinant = float(np.linalg.det(linear))
    scale = 1 / math.sqrt(determinant) if determinant > 0 else math.nan
    rotation = math.degrees(math.atan2(linear[1, 0] - linear[0, 1], linear[0, 0] + linear[1, 1]))
    shift = (apply(matrix, middle(hr)[None])[0] - middle(lr)) * scale
    return Motion(scale, rotation, (float(shift[0]), float(shift[1])), float(values[0] / max(values[1], 1e-12)))


def middle(size: Size) -> np.ndarray:
    """Return (x, y) of the middle of a photograph."""
    return np.array([(size[1] - 1) / 2, (size[0] - 1) / 2])


def apply(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Take points (..., 2) through a matrix."""
    moved = points @ matrix[:, :2].T + matrix[:, 2]
    return moved[..., :2] / moved[..., 2:]


def jacobian(matrix: np.ndarray, point: np.ndarray) -> np.ndarray:
    """Compute the derivative (2, 2) of :func:`apply` at a point (2,)."""
    x, y, w = matrix @ np.array([point[0], point[1], 1.0])
    return (matrix[:2, :2] - np.outer(np.array([x, y]) / w, matrix[2, :2])) / w


def reduction(factor: float | tuple[float, float], origin: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    """Make the matrix from pixels of a photograph to those of its crop at ``origin`` (x, y), reduced by ``factor``.

    Reduction by f averages f pixels, so that x becomes (x - origin + 1/2) / f - 1/2.
    """
    fx, fy = factor if isinstance(factor, tuple) else (factor, factor)
    return np.array(
        [
            [1 / fx, 0, (0.5 - origin[0]) / fx - 0.5],
            [0, 1 / fy, (0.5 - origin[1]) / fy - 0.5],
            [0, 0, 1],
        ]
    )


def corners(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    """Return the corners (4, 2) of a rectangle whose last pixels are ``right`` and ``bottom``."""
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], dtype=float)


def frame(size: Size) -> np.ndarray:
    """Return the corner pixels (4, 2) of a photograph."""
    return corners(0, 0, size[1] - 1, size[0] - 1)


def covered(matrix: np.ndarray, hr: Size, lr: Size, inset: float, step: int = 1) -> np.ndarray:
    """Mark every ``step``-th HR pixel per axis that lies in LR, ``inset`` LR pixels or more from its edge."""
    y, x = np.mgrid[0 : hr[0] : step, 0 : hr[1] : step]
    there = apply(matrix, np.stack([x, y], -1).astype(float))
    last = np.array([lr[1] - 1, lr[0] - 1]) - inset
    return np.asarray(((there >= inset) & (there <= last)).all(-1))


class Rectangle(NamedTuple):
    """Pixels from ``left`` and ``top`` on, up to but without ``right`` and ``bottom``."""

    left: int
    top: int
    right: int
    bottom: int


def largest_rectangle(mask: np.ndarray) -> Rectangle:
    """Find the largest rectangle of True in (H, W), empty if there is none, by histograms of columns row by row."""
    best, best_area = Rectangle(0, 0, 0, 0), 0
    heights = np.zeros(mask.shape[1], int)
    for bottom, row in enumerate(mask, 1):
        heights = np.where(row, heights + 1, 0)
        open_bars: list[tuple[int, int]] = []
        for right, height in enumerate([*heights.tolist(), 0]):
            left = right
            while open_bars and open_bars[-1][1] >= height:
                left, tall = open_bars.pop()
                if tall * (right - left) > best_area:
                    best_area = tall * (right - left)
                    best = Rectangle(left, bottom - tall, right, bottom)
            open_bars.append((left, height))
    return best
