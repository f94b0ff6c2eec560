"""The options of the Real-ESRGAN degradation under BasicSR's names, with the values of its training options."""

from __future__ import annotations

from dataclasses import dataclass, fields

KERNELS = ("iso", "aniso", "generalized_iso", "generalized_aniso", "plateau_iso", "plateau_aniso")
KERNEL_PROB = (0.45, 0.25, 0.12, 0.03, 0.12, 0.03)


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

    resize_prob: tuple[float, float, float] = (0.2, 0.7, 0.1)
    resize_range: tuple[float, float] = (0.15, 1.5)
    gaussian_noise_prob: float = 0.5
    noise_range: tuple[float, float] = (1, 30)
    poisson_scale_range: tuple[float, float] = (0.05, 3)
    gray_noise_prob: float = 0.4
    jpeg_range: tuple[float, float] = (30, 95)

    second_blur_prob: float = 0.8
    resize_prob2: tuple[float, float, float] = (0.3, 0.4, 0.3)
    resize_range2: tuple[float, float] = (0.3, 1.2)
    gaussian_noise_prob2: float = 0.5
    noise_range2: tuple[float, float] = (1, 25)
    poisson_scale_range2: tuple[float, float] = (0.05, 2.5)
    gray_noise_prob2: float = 0.4
    jpeg_range2: tuple[float, float] = (30, 95)

    blur_kernel_size: int = 21
    kernel_list: tuple[str, ...] = KERNELS
    kernel_prob: tuple[float, ...] = KERNEL_PROB
    sinc_prob: float = 0.1
    blur_sigma: tuple[float, float] = (0.2, 3)
    betag_range: tuple[float, float] = (0.5, 4)
    betap_range: tuple[float, float] = (1, 2)

    blur_kernel_size2: int = 21
    kernel_list2: tuple[str, ...] = KERNELS
    kernel_prob2: tuple[float, ...] = KERNEL_PROB
    sinc_prob2: float = 0.1
    blur_sigma2: tuple[float, float] = (0.2, 1.5)
    betag_range2: tuple[float, float] = (0.5, 4)
    betap_range2: tuple[float, float] = (1, 2)

    final_sinc_prob: float = 0.8
    usm: bool = False

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, list):  # An option file has no tuples.
                object.__setattr__(self, field.name, tuple(value))
        for suffix in ("", "2"):
            self._check_ranges(suffix)
            self._check_kernels(suffix)
        for name in ("gaussian_noise_prob", "gray_noise_prob", "sinc_prob"):
            self._check_probability(name)
            self._check_probability(name + "2")
        self._check_probability("second_blur_prob")
        self._check_probability("final_sinc_prob")

    def _check_ranges(self, suffix: str) -> None:
        limits = {
            "noise_range": (0.0, 255.0),
            "poisson_scale_range": (0.0, float("inf")),
            "jpeg_range": (1.0, 100.0),
            "blur_sigma": (1e-6, float("inf")),
            "resize_range": (1e-6, float("inf")),
            "betag_range": (1e-6, float("inf")),
            "betap_range": (1e-6, float("inf")),
        }
        for name, (low, high) in limits.items():
            value = getattr(self, name + suffix)
            if len(value) != 2 or not low <= value[0] <= value[1] <= high:
                raise ValueError(
                    f"expected {name}{suffix} as [low, high] inside [{low:g}, {high:g}], got {list(value)}; "
                    "write the smaller number first"
                )

    def _check_kernels(self, suffix: str) -> None:
        size = getattr(self, "blur_kernel_size" + suffix)
        if size % 2 == 0 or size < 7:
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

    def _check_probability(self, name: str) -> None:
        if not 0 <= getattr(self, name) <= 1:
            raise ValueError(f"expected {name} from 0 to 1, got {getattr(self, name)}; it is a probability")
