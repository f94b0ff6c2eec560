"""Pairs whose pixels are a known smooth function of the place in the scene."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.ndimage import map_coordinates

from degflow_aug.files.image_file import write_image

AMPLITUDE, WAVELENGTH = 110.0, 48.0
# The largest change from one HR pixel to the next.
SLOPE = AMPLITUDE * 2 * np.pi / WAVELENGTH


def field(rows: np.ndarray, columns: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Values in [0, 255] at places in HR pixels, flat at the frame's border so that filters may be cut off there."""
    waves = [np.pi * max(1, round(2 * side / WAVELENGTH)) / side for side in size]
    red, green = np.cos(waves[0] * rows)[:, None], np.cos(waves[1] * columns)[None]
    planes = np.broadcast_arrays(red, green, red * green)
    return 127.5 + AMPLITUDE * np.stack(planes, axis=2)


def sampled_field(size: tuple[int, int], grid: tuple[int, int], dtype: type = np.uint8) -> np.ndarray:
    """The field of an HR image of ``size`` at the pixel centres of a grid over the whole frame."""
    places = [(np.arange(count) + 0.5) * side / count for count, side in zip(grid, size, strict=True)]
    return np.rint(field(*places, size) * (np.iinfo(dtype).max / 255)).astype(dtype)


def save_pair(
    folder: Path, scale: float, size: tuple[int, int], lr_size: tuple[int, int] | None = None, dtype: type = np.uint8
) -> tuple[Path, Path]:
    """HR/a.png, and LR{scale}/a.png as a view or, if ``lr_size`` is given, as an LR image of that size."""
    files = folder / "HR" / "a.png", folder / f"LR{scale:g}" / "a.png"
    for path, grid in zip(files, (size, lr_size or size), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_image(path, sampled_field(size, grid, dtype))
    return files


def seen_by_lr(hr: np.ndarray, lr_sides: tuple[int, int]) -> np.ndarray:
    """A smooth HR patch (3, H, W) at the centres of the LR pixels that cover it, linear between its pixels."""
    places = [(np.arange(count) + 0.5) * side / count - 0.5 for count, side in zip(lr_sides, hr.shape[1:], strict=True)]
    grid = np.meshgrid(*places, indexing="ij")
    return np.stack([map_coordinates(plane.astype(float), grid, order=1, mode="nearest") for plane in hr])
