"""Synthetic data sets whose pixels tell where they come from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def coordinates(height: int, width: int, blue: int) -> np.ndarray:
    """(H, W, 3) uint8: red is the row, green the column, blue names the image."""
    rows, columns = np.mgrid[:height, :width]
    return np.dstack([rows, columns, np.full_like(rows, blue)]).astype(np.uint8)


def save(path: Path, image: np.ndarray) -> Path:
    """Write an image of any kind that Pillow can, with the folders to it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)
    return path


def realsr(
    root: Path,
    cameras: tuple[str, ...] = ("Canon",),
    scales: tuple[float, ...] = (2, 3, 4),
    count: int = 3,
    size: tuple[int, int] = (48, 64),
    split: str = "Train",
) -> Path:
    """A RealSR version 2 tree; blue is 10 x scale in views and 10 in HR images."""
    for camera in cameras:
        for number in range(1, count + 1):
            for scale in scales:
                folder = root / camera / split / f"{scale:g}"
                save(folder / f"{camera}_{number:03d}_HR.png", coordinates(*size, 10))
                save(folder / f"{camera}_{number:03d}_LR{scale:g}.png", coordinates(*size, round(10 * scale)))
    return root


def realsr_v3(root: Path, scales: tuple[int, ...] = (2, 4), count: int = 2) -> Path:
    """A RealSR version 3 tree: HR images of another size in each scale folder, LR images smaller by the scale."""
    for number in range(1, count + 1):
        for scale in scales:
            folder = root / "Nikon" / "Train" / str(scale)
            height, width = 12 * scale, 16 * scale
            save(folder / f"Nikon_{number:03d}_HR.png", coordinates(height, width, 10))
            save(folder / f"Nikon_{number:03d}_LR{scale}.png", coordinates(12, 16, 10 * scale))
    return root


def city100(root: Path, count: int = 4, size: tuple[int, int] = (48, 64)) -> Path:
    """A folder as City100 has them."""
    for number in range(1, count + 1):
        save(root / f"{number:03d}H.PNG", coordinates(*size, 10))
        save(root / f"{number:03d}L.PNG", coordinates(*size, 29))
    return root
