"""How like the real ones generated images are: fidelity of the view, and distances between distributions of the LR."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from benchmarks.realism.gradient_distance import gradient_distance
from benchmarks.realism.methods import Rendered
from degflow_aug import compat
from degflow_aug.data.tensors import to_array
from degflow_aug.degradations.grid import to_lr_grid
from degflow_aug.metrics.fidelity import psnr_y, ssim_y
from degflow_aug.metrics.lpips_metric import calculate_lpips, check_weights
from degflow_aug.metrics.noise_divergence import residual_kld
from degflow_aug.metrics.spectrum_distance import spectrum_distance

# NIQE looks at 96x96 blocks, and both it and VGG16 take long on whole frames.
MIDDLE = 480


@dataclass(frozen=True)
class Metric:
    """A column: its key in the JSON, its title with the unit, how it is printed, and which end of it is good."""

    key: str
    title: str
    digits: int
    higher_is_better: bool = False


METRICS = (
    Metric("psnr_y", "Y-PSNR, dB", 2, higher_is_better=True),
    Metric("ssim_y", "Y-SSIM", 4, higher_is_better=True),
    Metric("lpips", "LPIPS (VGG16)", 4),
    Metric("gradient", "gradient distance, gray levels", 3),
    Metric("spectrum", "spectrum distance, dB", 2),
    Metric("noise_kld", "noise KLD", 4),
    Metric("niqe_shift", "NIQE shift", 3),
)


class Likeness:
    """Measures results beside the real view, all rounded to 8 bits as files are.

    PSNR and SSIM are of whole views, LPIPS and NIQE of their middle; the distances and the noise of LR images.

    Args:
        vgg_path: VGG16's weights for LPIPS; default: torchvision's cache.
        note: is told in one sentence of a metric that is left out.
    """

    def __init__(self, vgg_path: str | None, note: Callable[[str], None]) -> None:
        self.vgg_path, self.note = vgg_path, note
        self.left_out: set[str] = set()
        try:
            check_weights(vgg_path)
        except ValueError:
            where = vgg_path or "in torchvision's cache"
            self.leave_out("lpips", f"VGG16's weights are not {where}; --vgg FILE names them")
        if not compat.has_basicsr():
            self.leave_out("niqe_shift", "BasicSR is not installed")
        self._niqe: tuple[Tensor, float] | None = None

    @property
    def metrics(self) -> list[Metric]:
        """Those that are measured."""
        return [metric for metric in METRICS if metric.key not in self.left_out]

    def __call__(self, rendered: Rendered, real: Tensor, scale: float) -> dict[str, float]:
        """Value of every metric by key; nan where it is not defined.

        Args:
            rendered: one image of a method.
            real: the real view (1, 3, H, W) in [0, 1].
            scale: of both.
        """
        view, lr, real_lr = rendered.view, _eight_bit(rendered.lr), _eight_bit(to_lr_grid(real, scale))
        found = {
            "psnr_y": float(psnr_y(view, real, eight_bit=True)),
            "ssim_y": float(ssim_y(view, real, eight_bit=True)),
            "gradient": float(gradient_distance(lr, real_lr)),
            "spectrum": float(spectrum_distance(lr, real_lr)),
        }
        if "noise_kld" not in self.left_out:
            reference = _eight_bit(rendered.reference)
            found["noise_kld"] = residual_kld([real_lr - reference], [lr - reference])
        if "lpips" not in self.left_out:
            found["lpips"] = calculate_lpips(_middle(view), _middle(real), vgg_path=self.vgg_path)
        if "niqe_shift" not in self.left_out:
            found["niqe_shift"] = abs(_niqe(view) - self._niqe_of_real(real))
        return {metric.key: found[metric.key] for metric in self.metrics}

    def _niqe_of_real(self, real: Tensor) -> float:
        """Kept, as all methods are measured beside the same view."""
        if self._niqe is None or self._niqe[0] is not real:
            self._niqe = (real, _niqe(real))
        return self._niqe[1]

    def leave_out(self, key: str, reason: str) -> None:
        """Do without a metric."""
        if key in self.left_out:
            return
        self.left_out.add(key)
        title = next(metric.title for metric in METRICS if metric.key == key)
        self.note(f"{title}: not measured; {reason}")


def _niqe(view: Tensor) -> float:
    compat.apply()
    from basicsr.metrics.niqe import calculate_niqe

    with warnings.catch_warnings():
        # Of images too small for it; the table shows that there is no value.
        warnings.simplefilter("ignore")
        return float(calculate_niqe(_middle(view), crop_border=0))


def _middle(view: Tensor) -> np.ndarray:
    """The middle of (1, 3, H, W) as BasicSR's metrics take it: (h, w, 3) BGR, 8 bit."""
    top, left = (max(0, (side - MIDDLE) // 2) for side in view.shape[-2:])
    return np.ascontiguousarray(to_array(view[0, :, top : top + MIDDLE, left : left + MIDDLE])[..., ::-1])


def _eight_bit(image: Tensor) -> Tensor:
    return image.clamp(0, 1).mul(255).round() / 255
