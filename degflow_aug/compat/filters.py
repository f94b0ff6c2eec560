"""BasicSR's ``filter2D`` on images that do not lie in memory as it takes for granted.

BasicSR 1.4.2 ``view``s what padding returns. On current torch that keeps the layout of its input, and ``DiffJPEG``
returns channels last: with more than one sample, the second blur of BasicSR's own Real-ESRGAN models ends in a
RuntimeError.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from torch import Tensor


def filter_any_layout(filter2d: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """Wrap BasicSR's ``filter2D`` so that images (B, C, H, W) and kernels (B, k, k) may have any strides."""

    @functools.wraps(filter2d)
    def wrapper(img: Tensor, kernel: Tensor) -> Tensor:
        return filter2d(img.contiguous(), kernel.contiguous())

    return wrapper


def patch() -> None:
    """Install the filter where it is defined and in the models that have imported it by name."""
    from basicsr.models import realesrgan_model, realesrnet_model
    from basicsr.utils import img_process_util

    wrapped = filter_any_layout(img_process_util.filter2D)
    for module in (img_process_util, realesrgan_model, realesrnet_model):
        module.filter2D = wrapped
