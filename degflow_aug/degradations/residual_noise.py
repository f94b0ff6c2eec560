"""What real LR holds that HR does not determine: sensor noise, and everything else that a deterministic flow averages.

lr + a sigma_s(c) (k_s * n), with white noise n, the correlation k_s over neighbours and channels, and sigma_s(c) the
deviation where the local contrast of lr is c: next to nothing in flat areas, most at edges and in texture.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WINDOW = 5


class ResidualNoise(nn.Module):
    """Gaussian noise for LR images, of the spread and correlation that the residuals of a generator have.

    Args:
        scales: (K,) rising, the scales of the real pairs. Between them everything is interpolated, below the first
            the deviation falls to 0 at scale 1, above the last it stays.
        contrasts: (T,) rising, local contrasts of luma in [0, 1].
        deviations: (K, T) standard deviation of the noise at those contrasts.
        kernels: (K, 3, 3, k, k) filters from white noise to noise of unit spread, k odd.

    Raises:
        ValueError: tensors that do not belong together.
    """

    scales: Tensor
    contrasts: Tensor
    deviations: Tensor
    kernels: Tensor

    def __init__(self, scales: Tensor, contrasts: Tensor, deviations: Tensor, kernels: Tensor) -> None:
        super().__init__()
        count, side = len(scales), kernels.shape[-1]
        wanted = (count, len(contrasts)), (count, 3, 3, side, side)
        if not count or len(contrasts) < 2 or (tuple(deviations.shape), tuple(kernels.shape)) != wanted or side % 2 < 1:
            raise ValueError(
                f"expected deviations and kernels of shapes {wanted[0]} and {wanted[1]} with an odd side, got "
                f"{tuple(deviations.shape)} and {tuple(kernels.shape)}"
            )
        tensors = {"scales": scales, "contrasts": contrasts, "deviations": deviations, "kernels": kernels}
        for name, tensor in tensors.items():
            self.register_buffer(name, tensor.float().contiguous())

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> ResidualNoise:
        """The noise whose ``state_dict`` this is.

        Raises:
            ValueError: it is the state of something else.
        """
        try:
            return cls(state["scales"], state["contrasts"], state["deviations"], state["kernels"])
        except KeyError as missing:
            raise ValueError(f"expected the state of a residual noise, got none with {missing}") from None

    @torch.no_grad()
    def forward(self, lr: Tensor, scales: Tensor, strength: float, generator: torch.Generator) -> Tensor:
        """LR images with noise.

        Args:
            lr: (B, 3, h, w) in [0, 1].
            scales: (B,), that of every image; read on the device of ``lr`` only.
            strength: factor on the deviation; 1 is that of the real pairs.
            generator: on the device of ``lr``.

        Returns:
            (B, 3, h, w) in [0, 1].
        """
        deviations, kernels = self._at(scales.to(self.scales, non_blocking=True))
        wide = lr.float()
        noise = _sample(kernels, wide.shape, generator)
        return (wide + strength * self.deviation(wide, deviations) * noise).clamp(0, 1).to(lr.dtype)

    def _at(self, scales: Tensor) -> tuple[Tensor, Tensor]:
        """Deviations (B, T) and kernels (B, 3, 3, k, k) at scales (B,)."""
        known = torch.cat([torch.ones_like(self.scales[:1]), self.scales])
        upper = torch.bucketize(scales, known).clamp(1, len(known) - 1)
        low, high = known[upper - 1], known[upper]
        share = ((scales - low) / (high - low)).clamp(0, 1)
        silent = torch.cat([torch.zeros_like(self.deviations[:1]), self.deviations])
        deviations = torch.lerp(silent[upper - 1], silent[upper], share[:, None])
        # Below the first real scale the noise is weaker, not of another kind.
        shaped = torch.cat([self.kernels[:1], self.kernels])
        return deviations, torch.lerp(shaped[upper - 1], shaped[upper], share[:, None, None, None, None])

    def deviation(self, lr: Tensor, deviations: Tensor) -> Tensor:
        """Deviation (B, 1, h, w) in LR images (B, 3, h, w), linear between deviations (B, T) at the contrasts."""
        contrast = local_contrast(lr)
        first, last = self.contrasts[0], self.contrasts[-1]
        clipped = torch.minimum(torch.maximum(contrast, first), last)
        upper = torch.bucketize(clipped, self.contrasts).clamp(1, len(self.contrasts) - 1)
        low, high = self.contrasts[upper - 1], self.contrasts[upper]
        flat, shape = upper.flatten(1), contrast.shape
        below, above = (deviations.gather(1, index).view(shape) for index in (flat - 1, flat))
        return torch.lerp(below, above, (clipped - low) / (high - low))


def local_contrast(image: Tensor) -> Tensor:
    """Standard deviation of luma, the mean of the channels, in windows of 5x5: (B, 3, h, w) -> (B, 1, h, w)."""
    luma = image.mean(1, keepdim=True)
    padded = F.pad(luma, (WINDOW // 2,) * 4, mode="replicate")
    mean = F.avg_pool2d(padded, WINDOW, 1)
    # Around the mean of the image, where float32 keeps the difference of two squares apart from rounding.
    centre = luma.mean((2, 3), keepdim=True)
    square = F.avg_pool2d((padded - centre).square(), WINDOW, 1)
    return (square - (mean - centre).square()).clamp(min=0).sqrt()


def _sample(kernels: Tensor, shape: torch.Size, generator: torch.Generator) -> Tensor:
    """Noise (B, 3, h, w): white noise through a kernel (B, 3, 3, k, k) for each image."""
    batch, channels, height, width = shape
    reach = kernels.shape[-1] - 1
    size = (1, batch * channels, height + reach, width + reach)
    white = torch.randn(size, device=kernels.device, generator=generator)
    return F.conv2d(white, kernels.flatten(0, 1), groups=batch).view(shape)
