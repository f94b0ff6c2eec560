"""Photographs whose EXIF says how they were taken."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

NUMBERS = {"time": 36867, "iso": 34855, "aperture": 33437, "zoom": 41988}


def shoot(
    path: Path, focal_length: float | None = None, film: int | None = None, side: int = 40, **more: object
) -> Path:
    """Write a gray photograph with focal lengths and a time in its EXIF."""
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    # Pillow writes a section to TIFF only where it is part of the rest.
    section = exif[34665] = exif.get_ifd(34665)
    if focal_length is not None:
        section[37386] = focal_length
    if film is not None:
        section[41989] = film
    section.update({NUMBERS[name]: value for name, value in more.items()})
    Image.fromarray(np.full((side, side * 2, 3), 90, np.uint8)).save(path, exif=exif)
    return path
