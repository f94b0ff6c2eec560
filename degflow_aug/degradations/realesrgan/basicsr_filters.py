"""BasicSR's filters for images of any size on any device: a blur per sample, JPEG, and sharpening."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from degflow_aug.degradations.convolution import reflect_pad


class BasicSRFilters:
    """Its DiffJPEG and USMSharp, made once per device on first use."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, torch.device], nn.Module] = {}

    def jpeg(self, image: Tensor, qualities: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] through JPEG of the qualities (B,).

        What DiffJPEG's own ``forward`` does, which would read every quality back from a GPU.
        """
        from basicsr.utils.diffjpeg import quality_to_factor

        jpeg: Any = self._filter("DiffJPEG", image.device)
        factors = torch.stack([quality_to_factor(quality) for quality in qualities]).to(image, non_blocking=True)
        height, width = image.shape[-2:]
        padded = F.pad(image.clamp(0, 1), (0, -width % 16, 0, -height % 16))
        coded = jpeg.compress(padded, factor=factors)
        return jpeg.decompress(*coded, *padded.shape[-2:], factor=factors)[..., :height, :width]

    def sharpen(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1], sharpened as Real-ESRGAN's models do with HR."""
        return _with_border(image, self._filter("USMSharp", image.device), margin=26)

    def _filter(self, name: str, device: torch.device) -> nn.Module:
        """BasicSR's DiffJPEG or USMSharp on ``device``, made on first use."""
        if (name, device) not in self._made:
            from basicsr.utils import DiffJPEG, USMSharp

            made = DiffJPEG(differentiable=False) if name == "DiffJPEG" else USMSharp()
            # DiffJPEG's tables are global to its module: moving one instance would move those of every other.
            self._made[name, device] = copy.deepcopy(made).requires_grad_(False).to(device, torch.float32)
        return self._made[name, device]


def blur(image: Tensor, kernels: Tensor) -> Tensor:
    """Filter every sample of (B, 3, H, W) with its own kernel of (B, k, k), a correlation."""
    from basicsr.utils.img_process_util import filter2D

    on_device, reach = kernels.to(image, non_blocking=True), kernels.shape[-1] // 2
    # filter2D views what it is given, and DiffJPEG returns channels last.
    return _with_border(image.contiguous(), lambda padded: filter2D(padded, on_device), margin=reach + 1)


def eight_bit(image: Tensor) -> Tensor:
    """The image in whole levels, contiguous where DiffJPEG returns channels last."""
    return ((image * 255).round().clamp(0, 255) / 255).contiguous()


def _with_border(image: Tensor, apply: Callable[[Tensor], Tensor], margin: int) -> Tensor:
    """Apply a filter whose own reflection needs an image larger than ``margin`` to one of any size."""
    if min(image.shape[-2:]) >= margin:
        return apply(image)
    return apply(reflect_pad(image, margin))[..., margin:-margin, margin:-margin]
