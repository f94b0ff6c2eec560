"""From measured windows to one verdict: how far off the motion is, and no less than that anywhere."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from degflow_aug.alignment.geometry import Rectangle, corners
from degflow_aug.alignment.windows import Windows

FEWEST = 9
"""Windows with texture below which nothing is said."""
MATCHING, EXCESS = 0.6, 4.0
"""A window shows something else if it correlates less and leaves more times the usual noise: faint texture does not."""
DEVIATIONS = 2.0
ROUNDS = 8


@dataclass(frozen=True)
class Residual:
    """What is left of the displacement between a view and HR, in HR pixels.

    Attributes:
        median, percentile95: of the displacements of the windows that have texture enough to measure; windows that
            show something else count as infinitely displaced.
        bound: largest displacement over the common part that a smooth (affine) field through the windows can have,
            with two standard errors.
        windows: how many were measured with texture.
        mismatched: share of these that show something else.
    """

    median: float
    percentile95: float
    bound: float
    windows: int
    mismatched: float

    @property
    def worst(self) -> float:
        """The greater of percentile and bound, which is compared with the limit."""
        return max(self.percentile95, self.bound)


NOTHING_MEASURED = Residual(math.nan, math.inf, math.inf, 0, math.nan)


def judge(windows: Windows, crop: Rectangle, limit: float) -> Residual:
    """Judge the residual over ``crop`` by windows with texture: whose noise displaces them by less than limit / 3."""
    if not len(windows.places):
        return NOTHING_MEASURED
    largest = np.linalg.eigvalsh(windows.covariance)[:, 1]
    noise = float(np.median(windows.noise))
    deviation = np.sqrt(largest * noise)
    within = (windows.places >= (crop.left, crop.top)) & (windows.places < (crop.right, crop.bottom))
    textured = (deviation < limit / 3) & within.all(1)
    count = int(textured.sum())
    if count < FEWEST:
        return Residual(math.nan, math.inf, math.inf, count, math.nan)
    matching = (windows.correlation[textured] >= MATCHING) | (windows.noise[textured] <= EXCESS * noise)
    lengths = np.where(matching, np.hypot(*windows.displacements[textured].T), np.inf)
    kept = np.flatnonzero(textured)[matching]
    bound = math.inf
    if len(kept) >= FEWEST:
        bound = _bound(windows.places[kept], windows.displacements[kept], deviation[kept], crop)
    return Residual(
        float(np.median(lengths)),
        float(np.percentile(lengths, 95, method="higher")),
        bound,
        count,
        float(1 - matching.mean()),
    )


def _bound(places: np.ndarray, displacements: np.ndarray, deviation: np.ndarray, crop: Rectangle) -> float:
    """Largest |field| + 2 standard errors at the corners, of an affine field fitted with Tukey's weights."""
    corner = corners(crop.left, crop.top, crop.right - 1, crop.bottom - 1)
    centre = corner.mean(0)
    spread = (corner.max(0) - corner.min(0)) / 2 + 1
    design, ends = (np.column_stack([np.ones(len(at)), (at - centre) / spread]) for at in (places, corner))
    # Windows differ less than their noise says: what blur and light leave is the same for all.
    trust = 1 / (deviation**2 + np.median(deviation) ** 2)
    robust = np.ones(len(places))
    for _ in range(ROUNDS):
        weights = trust * robust
        inverse = np.linalg.pinv(design.T @ (weights[:, None] * design))
        field = inverse @ (design.T @ (weights[:, None] * displacements))
        left_over = displacements - design @ field
        size = np.hypot(*left_over.T) * np.sqrt(trust)
        typical = max(float(np.median(size)), 1e-9)
        # Two components: the median of a Rayleigh variable is 1.18 deviations.
        robust = (1 - np.minimum(size / (4.685 * typical / 1.177), 1) ** 2) ** 2
    freedom = max(float(robust.sum()) - 3, 1)
    variance = float((weights[:, None] * left_over**2).sum()) / (2 * freedom)
    errors = np.sqrt(variance * np.einsum("ni,ij,nj->n", ends, inverse, ends))
    return float((np.hypot(*(ends @ field).T) + DEVIATIONS * errors).max())
