"""A first guess of the motion, from SIFT features of both photographs."""

from __future__ import annotations

import math

import cv2
import numpy as np

from degflow_aug.alignment.geometry import reduction

PIXELS = 1_000_000
FEATURES = 5000
RATIO = 0.8
# RANSAC's distance in pixels of the reduced LR photograph; ECC corrects what it leaves.
TOLERANCE = 2.0
FEWEST = 8
CHUNK = 500


def match_features(hr: np.ndarray, lr: np.ndarray, scale: float | None = None) -> tuple[np.ndarray | None, int]:
    """Find the similarity that most features agree on, and count them; None where they are too few to tell.

    Args:
        hr, lr: luminance in linear light.
        scale: the scale expected; HR is reduced by it, which lets finer features of LR be found again. None if unknown.
    """
    lr_factor = max(1.0, math.sqrt(lr.size / PIXELS))
    hr_factor = max(1.0, math.sqrt(hr.size / PIXELS), lr_factor * (scale or 1.0))
    hr_points, hr_words = _features(hr, hr_factor)
    lr_points, lr_words = _features(lr, lr_factor)
    if min(len(hr_points), len(lr_points)) < FEWEST:
        return None, 0
    hr_good, lr_good = _matches(hr_words, lr_words)
    if len(hr_good) < FEWEST:
        return None, len(hr_good)
    cv2.setRNGSeed(0)
    linear, inliers = cv2.estimateAffinePartial2D(
        hr_points[hr_good], lr_points[lr_good], ransacReprojThreshold=TOLERANCE, maxIters=5000, confidence=0.999
    )
    agreeing = 0 if inliers is None else int(inliers.sum())
    if linear is None or agreeing < FEWEST:
        return None, agreeing
    small = np.vstack([linear, [0, 0, 1]])
    return np.linalg.inv(reduction(lr_factor)) @ small @ reduction(hr_factor), agreeing


def _matches(hr: np.ndarray, lr: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Indices of HR and LR descriptors of which the nearest is clearly nearer than the second (Lowe, 2004)."""
    squares = (lr**2).sum(1)
    hr_good, lr_good = [], []
    for start in range(0, len(hr), CHUNK):
        part = hr[start : start + CHUNK]
        distances = np.maximum((part**2).sum(1)[:, None] + squares - 2 * (part @ lr.T), 0)
        nearest = distances.argmin(1)
        rows = np.arange(len(part))
        first = distances[rows, nearest]
        distances[rows, nearest] = np.inf
        good = np.flatnonzero(first < RATIO**2 * distances.min(1))
        hr_good.append(start + good)
        lr_good.append(nearest[good])
    return np.concatenate(hr_good), np.concatenate(lr_good)


def _features(image: np.ndarray, factor: float) -> tuple[np.ndarray, np.ndarray]:
    """Places (N, 2) in the reduced image, and descriptors (N, 128)."""
    size = (max(16, round(image.shape[1] / factor)), max(16, round(image.shape[0] / factor)))
    small = np.sqrt(cv2.resize(image, size, interpolation=cv2.INTER_AREA) if factor > 1 else image)
    low, high = np.percentile(small, (0.5, 99.5))
    levels = np.clip((small - low) * (255 / max(high - low, 1e-3)), 0, 255).astype(np.uint8)
    detector = cv2.SIFT.create(nfeatures=FEATURES, contrastThreshold=0.02, enable_precise_upscale=True)
    points, words = detector.detectAndCompute(levels, None)
    if words is None:
        return np.zeros((0, 2), np.float32), np.zeros((0, 128), np.float32)
    places = np.array([point.pt for point in points], np.float32)
    # The reduced size is whole, so that its factor is not quite the one asked for.
    exact = np.array([image.shape[1] / size[0], image.shape[0] / size[1]], np.float32) / np.float32(factor)
    return (places + 0.5) * exact - 0.5, words
