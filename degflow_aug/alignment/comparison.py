"""Both photographs on one small grid: for their exposure, and to see whether another place would fit as well."""

from __future__ import annotations

import math

import cv2
import numpy as np

from degflow_aug.alignment.geometry import Size, apply, reduction
from degflow_aug.alignment.refinement import Region, overlap
from degflow_aug.alignment.sampling import sample

PIXELS = 200_000
SMALLEST_SIDE = 16
LOCAL = 6.0
LOBE = 4
"""Correlation within so many small pixels of the peak is the peak."""


class SmallGrid:
    """About ``PIXELS`` places spread over the part of LR that HR shows.

    Args:
        matrix: the motion, (3, 3).
        hr, lr: sizes of the photographs.
        scale: that of the motion.

    Raises:
        ValueError: the photographs do not overlap.
    """

    def __init__(self, matrix: np.ndarray, hr: Size, lr: Size, scale: float) -> None:
        self.region: Region = overlap(matrix, hr, lr)
        width, height = self.region.size
        if min(width, height) < SMALLEST_SIDE:
            raise ValueError(f"the photographs overlap by {width}x{height} LR pixels only")
        factor = max(1.0, math.sqrt(width * height / PIXELS))
        self.size = (max(1, round(width / factor)), max(1, round(height / factor)))
        exact = (width / self.size[0], height / self.size[1])
        y, x = np.mgrid[0 : self.size[1], 0 : self.size[0]]
        to_small = reduction(exact, self.region.origin)
        places = apply(np.linalg.inv(matrix) @ np.linalg.inv(to_small), np.stack([x, y], -1).astype(float))
        per_place = max(1.0, scale * factor)
        self.hr_size = (max(1, round(hr[1] / per_place)), max(1, round(hr[0] / per_place)))
        self.places = apply(reduction((hr[1] / self.hr_size[0], hr[0] / self.hr_size[1])), places)
        last = np.array(self.hr_size) - 1
        self.inside = np.asarray(((self.places >= 0) & (self.places <= last)).all(-1))

    def hr(self, light: np.ndarray) -> np.ndarray:
        """Sample the light (H, W) of HR at the places, averaged over as much as an LR place covers."""
        small = cv2.resize(light, self.hr_size, interpolation=cv2.INTER_AREA)
        return sample(cv2.GaussianBlur(small, (0, 0), 0.5), self.places[..., 0], self.places[..., 1])

    def lr(self, light: np.ndarray) -> np.ndarray:
        """Sample the light (h, w) of LR at the places."""
        (left, top), (width, height) = self.region
        return cv2.resize(light[top : top + height, left : left + width], self.size, interpolation=cv2.INTER_AREA)


def rival(hr: np.ndarray, lr: np.ndarray, inside: np.ndarray) -> float:
    """Compute the highest correlation of both images under a shift, as a share of that without shift.

    Near 1 or above, the texture repeats itself or the motion is a wrong one; low, there is one place where all fits.

    Args:
        hr, lr: comparable images of a :class:`SmallGrid`.
        inside: where HR has something to compare.
    """
    first, second = (np.where(inside, image - cv2.GaussianBlur(image, (0, 0), LOCAL), 0) for image in (hr, lr))
    shape = tuple(2 * length for length in first.shape)
    spectrum = np.conj(np.fft.rfft2(first, shape)) * np.fft.rfft2(second, shape)
    surface = np.fft.irfft2(spectrum, shape)
    peak = float(surface[:LOBE, :LOBE].max())
    if peak <= 0:
        return math.inf
    for rows in (slice(0, LOBE + 1), slice(-LOBE, None)):
        for columns in (slice(0, LOBE + 1), slice(-LOBE, None)):
            surface[rows, columns] = -math.inf
    return float(surface.max()) / peak
