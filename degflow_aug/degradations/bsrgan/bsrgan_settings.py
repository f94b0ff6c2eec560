"""The options of BSRGAN's degradation, with the values of its paper."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated

from degflow_aug.degradations.realesrgan.settings import check_range
from degflow_aug.options.sections import check_fields
from degflow_aug.options.values import Amount, Between, Share

_Side = Annotated[int, Between(7, 255)]
_Level = Annotated[int, Between(0, 255)]
_Quality = Annotated[int, Between(1, 100)]
_Width = Annotated[float, Between(1e-6, 1000)]
_Stops = Annotated[float, Between(-8, 8)]
_Gain = Annotated[float, Between(1, 16)]
_Variance = Annotated[float, Between(1e-12, 1)]
_Coefficient = Annotated[float, Between(-100, 100)]


@dataclass(frozen=True)
class BSRGANSettings:
    """Two blurs, a downsampling and noise of three kinds in random order, then JPEG.

    The values are those of section 3 of Zhang et al., "Designing a Practical Degradation Model for Deep Blind Image
    Super-Resolution", ICCV 2021, which has them for the scales 2 and 4; a straight line through both gives those of
    other scales. Those of the sensor's noise are of Brooks et al., "Unprocessing Images for Learned Raw Denoising",
    CVPR 2019, as there. Four ways of downsampling with one probability are our reading of it.

    Attributes:
        halving_prob: probability that HR is first made half as large, at scales of 4 and above.
        blur_kernel_size: largest side of the blur kernels; their own sides are odd, from 7 to this.
        iso_sigma_at_2, iso_sigma_at_4: standard deviation of the isotropic kernel in pixels, at scales 2 and 4.
        aniso_variance_at_2, aniso_variance_at_4: variances of the anisotropic kernel along its axes in square pixels.
        downsample_prob: weights of nearest, bilinear, bicubic, and down-up, which shrinks too far or not far enough
            and resizes later.
        nearest_sigma: standard deviation of the blur before nearest, in pixels: the lowest, and the highest per scale.
        down_up_lowest: resize to LR after down-up's first one, from this to the scale; 0.5 doubles.
        noise_prob: weights of Gaussian noise of a random covariance of the channels, of independent channels, and gray.
        noise_range: standard deviation of the noise in whole levels of 255; a covariance has the highest.
        jpeg_prob: probability of a JPEG before the last one.
        jpeg_range: JPEG quality.
        sensor_prob: probability of noise of a camera's sensor.
        exposure_range: exposure compensation of that camera in stops.
        white_balance_range: gains of R and B of its sensor against G.
        shot_noise_range: variance of its noise per unit of light, drawn evenly in the logarithm.
        read_noise_fit: [a, b, c], log of the variance in the dark is a * log(shot noise) + b, with a spread of c.
    """

    halving_prob: Share = 0.25
    blur_kernel_size: _Side = 21
    iso_sigma_at_2: tuple[_Width, _Width] = (0.1, 2.4)
    iso_sigma_at_4: tuple[_Width, _Width] = (0.1, 2.8)
    aniso_variance_at_2: tuple[_Width, _Width] = (0.5, 6)
    aniso_variance_at_4: tuple[_Width, _Width] = (0.5, 8)
    downsample_prob: tuple[Amount, Amount, Amount, Amount] = (1, 1, 1, 1)
    nearest_sigma: tuple[_Width, _Width] = (0.1, 0.6)
    down_up_lowest: Annotated[float, Between(0.05, 1)] = 0.5
    noise_prob: tuple[Amount, Amount, Amount] = (0.2, 0.4, 0.4)
    noise_range: tuple[_Level, _Level] = (1, 25)
    jpeg_prob: Share = 0.75
    jpeg_range: tuple[_Quality, _Quality] = (30, 95)
    sensor_prob: Share = 0.25
    exposure_range: tuple[_Stops, _Stops] = (-0.1, 0.3)
    white_balance_range: tuple[_Gain, _Gain] = (1.2, 2.4)
    shot_noise_range: tuple[_Variance, _Variance] = (1e-4, 0.012)
    read_noise_fit: tuple[_Coefficient, _Coefficient, Annotated[float, Between(0, 100)]] = (2.18, 1.2, 0.26)

    def __post_init__(self) -> None:
        check_fields(self, "degradation")
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, list):  # An option file has no tuples.
                object.__setattr__(self, field.name, tuple(value))
            if field.name.endswith(("_range", "_at_2", "_at_4")) and field.name != "scale_range":
                check_range(field.name, value)
        if self.blur_kernel_size % 2 == 0:
            raise ValueError(f"expected an odd blur_kernel_size, got {self.blur_kernel_size}; BSRGAN has 21")
        for name in ("downsample_prob", "noise_prob"):
            if not sum(getattr(self, name)):
                raise ValueError(f"expected weights in {name} that are not all 0, got {list(getattr(self, name))}")

    def at(self, scale: float, name: str) -> tuple[float, float]:
        """A range that is known at scales 2 and 4, at ``scale``."""
        at_2, at_4 = getattr(self, f"{name}_at_2"), getattr(self, f"{name}_at_4")
        low, high = (max(two + (four - two) * (scale - 2) / 2, 1e-6) for two, four in zip(at_2, at_4, strict=True))
        return low, max(low, high)
