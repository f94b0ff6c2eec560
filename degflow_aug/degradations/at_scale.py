"""A degradation as a transform of images: with its scale, so that it stands wherever a module of one argument does."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from degflow_aug.degradations.base import Degradation
from degflow_aug.degradations.grid import check_scale


class AtScale(nn.Module):
    """LR of an image or a batch at a scale, or at one drawn per call, for ``nn.Sequential`` and chains of transforms.

    Args:
        degradation: what makes LR; moved and seeded with this module.
        scale: one, or (lowest, highest), from which every call draws evenly in the degradation's random stream.

    Raises:
        ValueError: no such scales, scales outside the degradation's ``scale_range``, or what has its scale already.
    """

    def __init__(self, degradation: Degradation, scale: float | tuple[float, float]) -> None:
        super().__init__()
        if not hasattr(degradation, "check_scales"):
            raise ValueError(
                f"expected a degradation that takes a scale, got {type(degradation).__name__}; load_generator(...) "
                "without scale gives one"
            )
        ends = list(scale) if isinstance(scale, (tuple, list)) else [scale, scale]
        if len(ends) != 2:
            raise ValueError(f"expected a scale or (lowest, highest), got {scale!r}")
        low, high = degradation.check_scales(ends)
        if low > high:
            raise ValueError(f"expected the lowest scale first, got {scale!r}")
        self.degradation, self.scales = degradation, (low, high)

    def seed(self, seed: int) -> None:
        """As :meth:`Degradation.seed`."""
        self.degradation.seed(seed)

    @torch.no_grad()
    def forward(self, hr: Tensor) -> Tensor:
        """LR of (B, 3, H, W) or (3, H, W) in [0, 1], of as many axes: (..., round(H / s), round(W / s)).

        Raises:
            ValueError: as :meth:`Degradation.check_hr`.
        """
        low, high = self.scales
        scale = low
        if low < high:
            # On the CPU, where reading it waits for no device.
            drawn = torch.rand((), dtype=torch.float64, generator=self.degradation.generator(torch.device("cpu")))
            scale = check_scale(low + (high - low) * drawn.item(), low, high)
        if isinstance(hr, Tensor):
            # torchvision marks what is an image by a class of its own.
            hr = hr.as_subclass(Tensor)
            if hr.ndim == 3:
                return self.degradation(hr[None], scale)[0]
        return self.degradation(hr, scale)

    def extra_repr(self) -> str:
        """The scale or the scales."""
        low, high = self.scales
        return f"scale={low:g}" if low == high else f"scale=({low:g}, {high:g})"
