"""The motion to a small part of a pixel: ECC from coarse to fine, on LR's grid, against HR blurred as LR is.

The enhanced correlation coefficient (Evangelidis and Psarakis, 2008) is blind to gain and offset. Its template is the
LR photograph. HR keeps about two pixels for each LR pixel and is blurred to LR's resolution, so that what is compared
has the same band and what OpenCV interpolates is smooth: neither aliasing nor interpolation pulls the result.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np

from degflow_aug.alignment.geometry import apply, frame, reduction
from degflow_aug.alignment.luminance import Exposure

PIXELS = 1_500_000
"""LR pixels compared at the finest level; beyond, both photographs are reduced."""
LOCAL = 8.0
"""Brightness that changes over more LR pixels than this (vignetting, haze) is taken out."""
EDGE = 4.0
OVERSAMPLING = 3.0
SMALLEST_SIDE = 24
STEPS = 80


class Seen(NamedTuple):
    """How the LR photograph saw what the HR photograph shows.

    Attributes:
        scale: HR pixels that an LR pixel covers.
        exposure: what makes their light comparable.
        blur: variance of the LR camera's own blur in LR pixels; a square pixel has 1 / 12, a sharp lens adds 0.1.
    """

    scale: float
    exposure: Exposure
    blur: float = 0.25


class Region(NamedTuple):
    """The rectangle of LR that HR lies in: the first pixel and the size, (x, y) and (width, height)."""

    origin: tuple[int, int]
    size: tuple[int, int]


def overlap(matrix: np.ndarray, hr: tuple[int, int], lr: tuple[int, int], pad: float = 0.0) -> Region:
    """Compute the rectangle of LR around HR's frame, cut at LR's edges; sizes may be 0."""
    there = apply(matrix, frame(hr))
    low = np.maximum(np.floor(there.min(0) - pad), 0).astype(int)
    high = np.minimum(np.ceil(there.max(0) + pad) + 1, np.array([lr[1], lr[0]])).astype(int)
    width, height = np.maximum(high - low, 0)
    return Region((int(low[0]), int(low[1])), (int(width), int(height)))


def matching_blur(scale: float, blur: float) -> float:
    """Compute the standard deviation, in LR pixels, of the blur that HR lacks to have LR's, of variance ``blur``."""
    return math.sqrt(max(0.05, blur * (1 - 1 / scale**2)))


def refine(
    matrix: np.ndarray, hr: np.ndarray, lr: np.ndarray, view: Seen, kind: str = "affine", finest_only: bool = False
) -> np.ndarray:
    """Refine a motion by ECC.

    Args:
        matrix: a guess, (3, 3), right to some pixels of the coarsest level.
        hr, lr: luminance in linear light.
        view: how LR saw what HR shows.
        kind: ``affine`` or ``homography``.
        finest_only: the matrix is right to a pixel already.

    Raises:
        ValueError: nothing overlaps, or ECC finds no way up.
    """
    region = overlap(matrix, hr.shape[:2], lr.shape[:2], pad=2)
    if min(region.size) < SMALLEST_SIDE:
        raise ValueError(f"the photographs overlap by {region.size[0]}x{region.size[1]} LR pixels only")
    finest = max(1.0, math.sqrt(region.size[0] * region.size[1] / PIXELS))
    factors = [finest]
    while min(region.size) / (2 * factors[-1]) >= SMALLEST_SIDE * 2 and len(factors) < 5:
        factors.append(2 * factors[-1])
    for factor in factors[:1] if finest_only else reversed(factors):
        matrix = _level(matrix, hr, lr, region, factor, view, kind)
    return matrix


def _level(
    matrix: np.ndarray,
    hr: np.ndarray,
    lr: np.ndarray,
    region: Region,
    factor: float,
    view: Seen,
    kind: str,
) -> np.ndarray:
    """One level: LR reduced by ``factor``."""
    (left, top), (width, height) = region
    scale, exposure = view.scale, view.exposure
    template, to_template = _reduced(lr[top : top + height, left : left + width], factor)
    to_template = to_template @ reduction(1.0, (left, top))
    per_pixel = scale * factor / max(1.0, scale * factor / OVERSAMPLING)
    moving, to_moving = _reduced(hr, max(1.0, scale * factor / OVERSAMPLING))
    template = _local(exposure.of_lr(template), LOCAL)
    moving = cv2.GaussianBlur(moving, (0, 0), matching_blur(scale, view.blur) * per_pixel)
    moving = _local(exposure.of_hr(moving), LOCAL * per_pixel)
    edge = min(round(EDGE * per_pixel), min(moving.shape) // 8)
    mask = np.zeros(moving.shape, np.uint8)
    mask[edge : moving.shape[0] - edge, edge : moving.shape[1] - edge] = 1
    warp = to_moving @ np.linalg.inv(matrix) @ np.linalg.inv(to_template)
    warp = (warp / warp[2, 2]).astype(np.float32)
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, STEPS, 1e-7)
    mode = cv2.MOTION_HOMOGRAPHY if kind == "homography" else cv2.MOTION_AFFINE
    start = warp if kind == "homography" else warp[:2]
    try:
        _, found = cv2.findTransformECC(template, moving, start, mode, criteria, mask, 1)
    except cv2.error as error:
        raise ValueError("correlation finds no motion that brings one photograph onto the other") from error
    full = found.astype(np.float64) if len(found) == 3 else np.vstack([found.astype(np.float64), [0, 0, 1]])
    if not np.isfinite(full).all() or abs(np.linalg.det(full)) < 1e-6:
        raise ValueError("correlation finds no motion that brings one photograph onto the other")
    result = np.linalg.inv(to_template) @ np.linalg.inv(full) @ to_moving
    return result / result[2, 2]


def _reduced(image: np.ndarray, factor: float) -> tuple[np.ndarray, np.ndarray]:
    """The image averaged over about ``factor`` pixels, and the matrix from its pixels to those of the result."""
    if factor <= 1:
        return image, np.eye(3)
    height, width = image.shape
    size = (max(1, round(width / factor)), max(1, round(height / factor)))
    exact = (width / size[0], height / size[1])
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA), reduction(exact)


def _local(image: np.ndarray, reach: float) -> np.ndarray:
    return image - cv2.GaussianBlur(image, (0, 0), reach)
