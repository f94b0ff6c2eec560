"""The options of the Real-ESRGAN degradation under BasicSR's names, with the values of its training options."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated

from degflow_aug.options.sections import check_fields
from degflow_aug.options.values import Amount, Between, Share

KERNELS = ("iso", "aniso", "generalized_iso", "generalized_aniso", "plateau_iso", "plateau_aniso")
KERNEL_PROB = (0.45, 0.25, 0.12, 0.03, 0.12, 0.03)
_RANGES = (
    "noise_range",
    "poisson_scale_range",
    "jpeg_range",
    "blur_sigma",
    "resize_range",
    "betag_range",
    "betap_range",
)
_Side = Annotated[int, Between(7, 255)]
_Level = Annotated[float, Between(0, 255)]
_Spread = Annotated[float, Between(0, 1000)]
_Quality = Annotated[float, Between(1, 100)]
_Width = Annotated[float, Between(1e-6, 1000)]
_Factor = Annotated[float, Between(1e-6, 16)]


@dataclass(frozen=True)
class RealESRGANSettings:
    """Two orders of blur, resize, noise and JPEG, then a sinc filter. A name that ends in 2 is of the second order.

    Attributes:
        resize_prob: weights of enlarging, shrinking and keeping the size.
        resize_range: (smallest, largest) factor of that resize, around 1.
        gaussian_noise_prob: probability of Gaussian noise; Poisson noise otherwise.
        noise_range: standard deviation of the Gaussian noise on the scale of 255.
        poisson_scale_range: factor on the Poisson noise.
        gray_noise_prob: probability that the noise is the same in the three channels.
        jpeg_range: JPEG quality.
        second_blur_prob: probability of the second blur.
        blur_kernel_size: odd side that kernels are padded to; their own sides are odd, from 7 to this.
        kernel_list, kernel_prob: kinds of blur kernel, and their weights.
        sinc_prob: probability of a sinc kernel instead of one of those.
        blur_sigma: standard deviations of the kernels in pixels.
        betag_range: shape of the generalised Gaussian kernels, around 1.
        betap_range: shape of the plateau kernels, around 1.
        final_sinc_prob: probability of the final sinc filter.
        usm: sharpen HR before it is degraded, as BasicSR's Real-ESRGAN models do.
    """

    resize_prob: tuple[Amount, Amount, Amount] = (0.2, 0.7, 0.1)
    resize_range: tuple[_Factor, _Factor] = (0.15, 1.5)
    gaussian_noise_prob: Share = 0.5
    noise_range: tuple[_Level, _Level] = (1, 30)
    poisson_scale_range: tuple[_Spread, _Spread] = (0.05, 3)
    gray_noise_prob: Share = 0.4
    jpeg_range: tuple[_Quality, _Quality] = (30, 95)

    second_blur_prob: Share = 0.8
    resize_prob2: tuple[Amount, Amount, Amount] = (0.3, 0.4, 0.3)
    resize_range2: tuple[_Factor, _Factor] = (0.3, 1.2)
    gaussian_noise_prob2: Share = 0.5
    noise_range2: tuple[_Level, _Level] = (1, 25)
    poisson_scale_range2: tuple[_Spread, _Spread] = (0.05, 2.5)
    gray_noise_prob2: Share = 0.4
    jpeg_range2: tuple[_Quality, _Quality] = (30, 95)

    blur_kernel_size: _Side = 21
    kernel_list: tuple[str, ...] = KERNELS
    kernel_prob: tuple[Amount, ...] = KERNEL_PROB
    sinc_prob: Share = 0.1
    blur_sigma: tuple[_Width, _Width] = (0.2, 3)
    betag_range: tuple[_Width, _Width] = (0.5, 4)
    betap_range: tuple[_Width, _Width] = (1, 2)

    blur_kernel_size2: _Side = 21
    kernel_list2: tuple[str, ...] = KERNELS
    kernel_prob2: tuple[Amount, ...] = KERNEL_PROB
    sinc_prob2: Share = 0.1
    blur_sigma2: tuple[_Width, _Width] = (0.2, 1.5)
    betag_range2: tuple[_Width, _Width] = (0.5, 4)
    betap_range2: tuple[_Width, _Width] = (1, 2)

    final_sinc_prob: Share = 0.8
    usm: bool = False

    def __post_init__(self) -> None:
        check_fields(self, "degradation")
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, list):  # An option file has no tuples.
                object.__setattr__(self, field.name, tuple(value))
        for suffix in ("", "2"):
            self._check_ranges(suffix)
            self._check_kernels(suffix)

    def _check_ranges(self, suffix: str) -> None:
        for name in _RANGES:
            check_range(name + suffix, getattr(self, name + suffix))

    def _check_kernels(self, suffix: str) -> None:
        size = getattr(self, "blur_kernel_size" + suffix)
        if size % 2 == 0:
            raise ValueError(f"expected blur_kernel_size{suffix} odd and at least 7, got {size}; BasicSR uses 21")
        kinds, weights = getattr(self, "kernel_list" + suffix), getattr(self, "kernel_prob" + suffix)
        unknown = [kind for kind in kinds if kind not in KERNELS]
        if unknown:
            raise ValueError(f"expected kernel_list{suffix} from {', '.join(KERNELS)}, got {unknown[0]!r}")
        for name, prob, count in (
            ("kernel_prob", weights, len(kinds)),
            ("resize_prob", getattr(self, "resize_prob" + suffix), 3),
        ):
            if len(prob) != count or min(prob, default=-1) < 0 or sum(prob) <= 0:
                raise ValueError(
                    f"expected {count} weights of at least 0 in {name}{suffix}, not all 0, got {list(prob)}; "
                    "give one weight a choice"
                )


def check_range(name: str, value: tuple[float, float]) -> None:
    """Raise a ValueError unless the smaller end comes first."""
    if value[0] > value[1]:
        raise ValueError(f"expected {name} as [low, high], got {list(value)}; write the smaller number first")
