"""Pairs of photographs whose motion is known exactly, made without anything of ``degflow_aug.alignment``.

A photograph is the scene. HR is a part of it, as it is. LR is what a camera of a shorter focal length sees: light
(sRGB decoded) through a Gaussian lens, integrated over each pixel's square by supersampling cubic splines, times
the exposure and a gain a channel, with shot and read noise, clipped, encoded, rounded to 8 bits.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates, spline_filter

BORDER = 40
"""Pixels of the photograph around HR, so that LR sees beyond it."""
SHOT, READ = 2e-4, 2e-3


@dataclass(frozen=True)
class Case:
    """What is drawn: angles in degrees, the shift (x, y) in HR pixels, the lens in LR pixels."""

    photograph: str
    scale: float
    rotation: float
    shift: tuple[float, float]
    exposure: float
    channels: tuple[float, float, float]
    lens: float
    seed: int

    def as_data(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def draw(photograph: str, seed: int) -> Case:
    """A case in the ranges of the acceptance: 2 degrees, 40 pixels along each axis, scale 1 to 4, x0.7 to x1.4."""
    rng = np.random.default_rng(seed)
    return Case(
        photograph=photograph,
        scale=float(rng.uniform(1, 4)),
        rotation=float(rng.uniform(-2, 2)),
        shift=(float(rng.uniform(-40, 40)), float(rng.uniform(-40, 40))),
        exposure=float(np.exp(rng.uniform(math.log(0.7), math.log(1.4)))),
        channels=tuple(float(value) for value in rng.uniform(0.95, 1.05, 3)),  # type: ignore[arg-type]
        lens=float(rng.uniform(0.25, 0.6)),
        seed=seed,
    )


def make(case: Case, photograph: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """HR (H, W, 3), LR (h, w, 3), both uint8, and the true motion (3, 3) from HR to LR pixels."""
    height, width = photograph.shape[:2]
    hr = photograph[BORDER : height - BORDER, BORDER : width - BORDER]
    angle = math.radians(case.rotation)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    half = _largest_half(photograph.shape[:2], case)
    size = np.floor(2 * half / case.scale).astype(int)
    hr_middle = (np.array([hr.shape[1], hr.shape[0]]) - 1) / 2
    truth = np.eye(3)
    truth[:2, :2] = turn / case.scale
    truth[:2, 2] = (size - 1) / 2 + np.array(case.shift) / case.scale - truth[:2, :2] @ hr_middle
    return hr, _photographed(case, photograph, np.linalg.inv(truth), (int(size[1]), int(size[0]))), truth


def true_error(
    found: np.ndarray, truth: np.ndarray, left: float, top: float, right: float, bottom: float
) -> np.ndarray:
    """HR pixels between where the found and the true motion see things, on a grid over a rectangle of HR, (N,)."""
    x, y = np.meshgrid(np.linspace(left, right, 25), np.linspace(top, bottom, 25))
    points = np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
    there = np.linalg.inv(truth) @ found @ points
    return np.hypot(*(there[:2] / there[2] - points[:2]))


def _largest_half(photograph: tuple[int, int], case: Case) -> np.ndarray:
    """Half the (width, height) in HR pixels of an LR frame that stays within the photograph whatever its shift."""
    angle = abs(math.radians(case.rotation))
    room = np.array([photograph[1], photograph[0]]) / 2 - np.abs(case.shift) - 2 * case.scale
    # A turned rectangle reaches out by its other half times the sine; the shift turns with it.
    return room - math.sin(angle) * room[::-1].max() - math.sin(angle) * 60


def _photographed(case: Case, photograph: np.ndarray, back: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    rng = np.random.default_rng(case.seed + 1_000_000)
    # A sample a photograph's pixel along each axis, and four an LR pixel: the lens leaves nothing finer.
    count = max(2, math.ceil(case.scale))
    inside = (np.arange(count) + 0.5) / count - 0.5
    rows = (np.arange(size[0])[:, None] + inside).ravel()
    columns = (np.arange(size[1])[:, None] + inside).ravel()
    x, y = np.meshgrid(columns, rows)
    there_x = back[0, 0] * x + back[0, 1] * y + back[0, 2] + BORDER
    there_y = back[1, 0] * x + back[1, 1] * y + back[1, 2] + BORDER
    result = np.empty((*size, 3), np.uint8)
    for channel in range(3):
        light = _decoded(photograph[..., channel] / 255)
        lens = gaussian_filter(light, case.lens * case.scale, mode="mirror")
        spline = spline_filter(lens, 3, mode="mirror")
        seen = map_coordinates(spline, [there_y, there_x], order=3, mode="mirror", prefilter=False)
        seen = seen.reshape(size[0], count, size[1], count).mean((1, 3)).clip(0, None)
        seen *= case.exposure * case.channels[channel]
        seen += np.sqrt(SHOT * seen + READ**2) * rng.standard_normal(seen.shape)
        result[..., channel] = np.rint(_encoded(seen.clip(0, 1)) * 255)
    return result


def _decoded(value: np.ndarray) -> np.ndarray:
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def _encoded(light: np.ndarray) -> np.ndarray:
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
