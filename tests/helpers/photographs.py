"""Small images for tests of what reads and writes files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from degflow_aug.files.image_file import write_image


def photograph(seed: int, height: int = 40, width: int = 48, dtype: type = np.uint8) -> np.ndarray:
    """Smooth colours with some noise, (H, W, 3)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / 48
    waves = [np.sin(6 * (x * a + y * b) + c) for a, b, c in rng.uniform(0, 3, (3, 3))]
    image = 0.5 + 0.35 * np.stack(waves, 2) + 0.05 * rng.standard_normal((height, width, 3))
    return (image.clip(0, 1) * np.iinfo(dtype).max).astype(dtype)


def write_photographs(folder: Path, count: int, **size: int) -> None:
    """``00.png`` ... in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        write_image(folder / f"{index:02}.png", photograph(index, **size))
