"""Constants of the simulated phone, as they are or drawn at random."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from degflow_aug.degradations.simulator.optics import Lens, Offset, Positive
from degflow_aug.options.values import Between, Share

Row = tuple[Offset, Offset, Offset]
_Gain = Annotated[float, Between(1, 16)]


@dataclass(frozen=True)
class PhoneSettings(Lens):
    """Constants of a simulated phone; light is linear with full scale 1, display values are sRGB in [0, 1].

    Attributes:
        colour_matrix: linear sRGB = colour_matrix @ white-balanced light of the sensor; each row has the sum 1.
        white_balance: gains of R and B of the sensor against G.
        exposure: factor on the light; what exceeds 1 is clipped at the sensor.
        shot_noise: variance of the noise per unit of light, on the sensor.
        read_noise: variance of the noise in the dark, on the sensor.
        sensor_levels: number of values of the sensor above black; 1023 is 10 bit.
        luma_denoising: tolerance of the bilateral filter on luma, in display values.
        chroma_denoising: the same on both chroma channels.
        denoising_reach: sigma of these filters in space, in LR pixels.
        tone_mapping: share by which contrast between regions is compressed, 0 to 1.
        tone_reach: radius of a region, in HR pixels.
        contrast: amount of a global S-curve on display values, 0 to 1.
        sharpening: amount of unsharp masking on luma.
        sharpening_sigma: sigma of that mask, in LR pixels.
        sharpening_core: detail below this is left alone, in display values.
        sharpening_limit: most that sharpening adds or takes, in display values.
        jpeg_quality: quality of the file, 1 to 100; 0 writes none.
        jpeg_subsampling: halve both chroma channels in the file.
    """

    blur: Positive = 0.45
    channel_blur: tuple[Positive, Positive, Positive] = (1.08, 1.0, 0.97)
    halo: Share = 0.08
    colour_matrix: tuple[Row, Row, Row] = ((1.62, -0.49, -0.13), (-0.22, 1.42, -0.20), (0.02, -0.45, 1.43))
    white_balance: tuple[_Gain, _Gain] = (2.0, 1.6)
    exposure: Positive = 1.0
    shot_noise: Share = 2e-4
    read_noise: Share = 2e-6
    sensor_levels: Annotated[int, Between(1, 65535)] = 1023
    luma_denoising: Share = 0.03
    chroma_denoising: Share = 0.08
    denoising_reach: Positive = 1.5
    tone_mapping: Share = 0.12
    tone_reach: Annotated[float, Between(1, 1000)] = 32.0
    contrast: Share = 0.1
    sharpening: Annotated[float, Between(0, 16)] = 0.8
    sharpening_sigma: Positive = 0.9
    sharpening_core: Share = 0.008
    sharpening_limit: Share = 0.06
    jpeg_quality: Annotated[int, Between(0, 100)] = 92
    jpeg_subsampling: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if any(abs(sum(row) - 1) > 1e-6 for row in self.colour_matrix):
            raise ValueError(
                f"expected rows of colour_matrix with the sum 1, got {self.colour_matrix}; gray has to stay gray"
            )


def random_settings(seed: int) -> PhoneSettings:
    """Draw a plausible phone; the same one for the same seed on every machine."""
    rng = np.random.Generator(np.random.PCG64(seed))

    def between(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    def around_one(low: float, high: float) -> tuple[float, float]:
        """What the two other channels take from one row of the matrix."""
        return between(low, high), between(low, high)

    (r_g, r_b), (g_r, g_b), (b_r, b_g) = around_one(0.1, 0.5), around_one(0.1, 0.35), around_one(-0.05, 0.5)
    return PhoneSettings(
        blur=between(0.38, 0.55), channel_blur=(between(1.02, 1.12), 1.0, between(0.94, 1.04)),
        halo=between(0.04, 0.14), halo_width=between(1.1, 2.0), anisotropy=between(1.0, 1.15), angle=between(0, np.pi),
        chromatic_shift=(between(-0.1, 0.1), between(-0.1, 0.1)),
        colour_matrix=((1 + r_g + r_b, -r_g, -r_b), (-g_r, 1 + g_r + g_b, -g_b), (-b_r, -b_g, 1 + b_r + b_g)),
        white_balance=(between(1.6, 2.4), between(1.3, 2.0)), exposure=between(0.9, 1.05),
        shot_noise=10 ** between(-4.1, -3.4), read_noise=10 ** between(-6.3, -5.4),
        luma_denoising=between(0.02, 0.04), chroma_denoising=between(0.05, 0.1), denoising_reach=between(1.2, 2.0),
        tone_mapping=between(0.05, 0.2), tone_reach=between(24, 48), contrast=between(0.0, 0.2),
        sharpening=between(0.5, 1.1), sharpening_sigma=between(0.8, 1.1), sharpening_core=between(0.004, 0.012),
        sharpening_limit=between(0.04, 0.08), jpeg_quality=int(rng.integers(88, 97)),
        jpeg_subsampling=bool(rng.integers(2)),
    )  # fmt: skip
