"""What a degradation is: a map from (HR, scale) to LR, with no trainer and no option dict behind it."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from degflow_aug.degradations.grid import check_scale, resize, to_hr_grid


class Degradation(nn.Module):
    """Maps HR images in [0, 1] and a scale to the LR images a camera would have taken.

    Subclasses write ``forward``; one whose samples can share a batched pass also overrides ``lr_patches``.
    Nothing here builds a graph, and random draws come from a generator of its own, so that a training step's
    other randomness does not depend on the degradation.

    Attributes:
        scale_range: the scales it was made for, (lowest, highest).
    """

    scale_range: tuple[float, float] = (1.0, math.inf)

    def __init__(self) -> None:
        super().__init__()
        self._generators: dict[torch.device, torch.Generator] = {}
        self._seed = 0

    def seed(self, seed: int) -> None:
        """Restart the random stream; the same seed and calls give the same LR on one device."""
        self._seed = int(seed)
        self._generators.clear()

    def generator(self, device: torch.device) -> torch.Generator:
        """The random stream on ``device``, made on first use from the seed."""
        if device not in self._generators:
            self._generators[device] = torch.Generator(device=device).manual_seed(self._seed)
        return self._generators[device]

    def check(self, hr: Tensor, scale: float) -> float:
        """Return ``scale`` if ``hr`` (B, 3, H, W) and it can be degraded.

        Raises:
            ValueError: wrong shape, an integer tensor, or a scale outside ``scale_range``.
        """
        if hr.ndim != 4 or hr.shape[1] != 3 or not hr.is_floating_point():
            raise ValueError(
                f"expected HR as a float tensor (B, 3, H, W) in [0, 1], got {hr.dtype} {tuple(hr.shape)}; "
                "stack images along the first axis and divide 8-bit values by 255"
            )
        if min(hr.shape[-2:]) < 8:
            raise ValueError(
                f"expected HR of at least 8x8 pixels, got {hr.shape[-2]}x{hr.shape[-1]}; use a larger crop"
            )
        return check_scale(scale, *self.scale_range)

    def forward(self, hr: Tensor, scale: float) -> Tensor:
        """LR of ``hr`` at ``scale``: (B, 3, H, W) in [0, 1] -> (B, 3, round(H / s), round(W / s)) in [0, 1]."""
        raise NotImplementedError

    @torch.no_grad()
    def render(self, hr: Tensor, scale: float) -> Tensor:
        """View of ``hr`` at ``scale``: the LR image brought back to the HR grid, (B, 3, H, W) in [0, 1]."""
        size = (hr.shape[-2], hr.shape[-1])
        return to_hr_grid(self(hr, scale), size)

    @torch.no_grad()
    def lr_patches(self, hr: Tensor, scales: Tensor, lr_size: int) -> Tensor:
        """LR patches of one size at a scale per sample, as an arbitrary-scale training step takes them.

        Args:
            hr: (B, 3, P, P) in [0, 1] with P >= round(lr_size * max(scales)).
            scales: (B,), sample i is degraded at ``scales[i]``.
            lr_size: side L of every patch.

        Returns:
            (B, 3, L, L) in [0, 1]; patch i covers the top-left round(L * s_i) square of its HR image.
        """
        low, high = self.scale_range
        # A side is a whole number of pixels, so side / L can pass the range by a rounding.
        patches = [
            self(hr[i : i + 1, :, :side, :side], min(max(side / lr_size, low), high))
            for i, side in enumerate(patch_sides(hr, scales, lr_size))
        ]
        return torch.cat([resize(patch, (lr_size, lr_size)).clamp(0, 1) for patch in patches])


def patch_sides(hr: Tensor, scales: Tensor, lr_size: int) -> list[int]:
    """Side of the HR square behind each LR patch, round(L * s_i).

    Raises:
        ValueError: the scales do not match the batch, or the HR patch is too small for the largest of them.
    """
    if scales.shape != hr.shape[:1]:
        raise ValueError(f"expected one scale a sample, shape ({hr.shape[0]},), got {tuple(scales.shape)}")
    sides = [round(lr_size * scale) for scale in scales.tolist()]
    if max(sides) > min(hr.shape[-2:]):
        raise ValueError(
            f"expected HR patches of at least {max(sides)} pixels for scale {float(scales.max()):g} and LR size "
            f"{lr_size}, got {hr.shape[-2]}x{hr.shape[-1]}; raise gt_size or lower the highest scale"
        )
    return sides
