"""ICC profiles of primaries and a gamma, and what sRGB makes of their colours by matrix."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from PIL import ImageCms

# Chromaticities of the primaries, and a white of D65; see ICC.1:2010 for the tags.
DISPLAY_P3 = ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06))
ADOBE_RGB = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
_D50 = np.array([0.9642, 1.0, 0.8249])
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def _to_d50(primaries: tuple[tuple[float, float], ...]) -> np.ndarray:
    """Linear RGB to XYZ under D50, (3, 3)."""
    columns = np.array([(x / y, 1, (1 - x - y) / y) for x, y in primaries]).T
    white = np.array([0.3127 / 0.329, 1, (1 - 0.3127 - 0.329) / 0.329])
    matrix = columns * np.linalg.solve(columns, white)
    gains = (_BRADFORD @ _D50) / (_BRADFORD @ white)
    return np.linalg.inv(_BRADFORD) @ np.diag(gains) @ _BRADFORD @ matrix


def profile(primaries: tuple[tuple[float, float], ...] | None, gamma: float = 2.2) -> bytes:
    """An ICC profile of primaries and a gamma; of gray without primaries."""

    def xyz(values: Any) -> bytes:
        return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(float(value) * 65536)) for value in values)

    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    tags = {b"desc": b"desc\0\0\0\0" + struct.pack(">I", 6) + b"tried\0" + bytes(78), b"wtpt": xyz(_D50)}
    if primaries is None:
        tags[b"kTRC"] = curve
    else:
        for letter, column in zip("rgb", _to_d50(primaries).T, strict=True):
            tags[f"{letter}XYZ".encode()], tags[f"{letter}TRC".encode()] = xyz(column), curve
    table, data = struct.pack(">I", len(tags)), b""
    for tag, value in tags.items():
        table += struct.pack(">4sII", tag, 132 + 12 * len(tags) + len(data), len(value))
        data += value + bytes(-len(value) % 4)
    space = b"GRAY" if primaries is None else b"RGB "
    head = b"none" + struct.pack(">I", 0x02100000) + b"mntr" + space + b"XYZ " + bytes(12) + b"acsp" + bytes(28)
    head = (head + xyz(_D50)[8:]).ljust(124, b"\0")
    return struct.pack(">I", 4 + len(head) + len(table) + len(data)) + head + table + data


def _linear(values: np.ndarray) -> np.ndarray:
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def srgb_levels(light: np.ndarray) -> np.ndarray:
    light = light.clip(0, 1)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def expected(image: np.ndarray, primaries: tuple[tuple[float, float], ...], gamma: float = 2.2) -> np.ndarray:
    """The sRGB levels of an image in another space, by matrix."""
    to_srgb = np.linalg.inv(_to_d50(((0.64, 0.33), (0.3, 0.6), (0.15, 0.06)))) @ _to_d50(primaries)
    return 255 * srgb_levels((image / 255.0) ** gamma @ to_srgb.T)
