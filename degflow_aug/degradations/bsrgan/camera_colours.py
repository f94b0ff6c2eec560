"""Colours of two cameras of BSRGAN's paper, from their sensors to linear sRGB."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# From XYZ (D65) to the sensor: Canon EOS 5D Mark III and IV, Adobe's matrices as dcraw and LibRaw have them.
_SENSORS = (
    ((0.6722, -0.0635, -0.0963), (-0.4287, 1.2460, 0.2028), (-0.0908, 0.2162, 0.5668)),
    ((0.6446, -0.0366, -0.0864), (-0.4436, 1.2204, 0.2513), (-0.0952, 0.2496, 0.6348)),
)
# From linear sRGB to XYZ, IEC 61966-2-1.
_SRGB = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))


def draw_camera_colours(rng: np.random.Generator) -> NDArray[np.float64]:
    """A matrix (3, 3) between those of both cameras; rows have the sum 1, so gray stays gray."""
    share = rng.uniform()
    return share * _to_srgb(0) + (1 - share) * _to_srgb(1)


def _to_srgb(camera: int) -> NDArray[np.float64]:
    to_sensor = np.array(_SENSORS[camera]) @ np.array(_SRGB)
    # What is white is so before and after the white balance.
    return np.linalg.inv(to_sensor / to_sensor.sum(1, keepdims=True))
