"""Overlap-chunked LPIPS (OMGSR): distances of chunks of the size that VGG was trained with."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from degflow_aug.metrics.lpips_loss import LPIPSLoss
from degflow_aug.onestep.losses.chunks import chunks


class OverlapChunkedLPIPSLoss(nn.Module):
    """weight times the mean LPIPS of overlapping chunks of images in [0, 1], of any size.

    The published code gives LPIPS images in [0, 1]; here they are in its own range, [-1, 1].

    Args:
        loss_weight: OMGSR's is 5.
        chunk: side in pixels.
        vgg_path: torchvision's VGG16 weights; default: torchvision's cache.
        distance: another distance of images in [-1, 1], instead of LPIPS.

    Raises:
        ValueError: no VGG16 weights, or a chunk below a pixel.
    """

    def __init__(
        self,
        loss_weight: float = 5.0,
        chunk: int = 224,
        vgg_path: str | Path | None = None,
        distance: nn.Module | None = None,
    ) -> None:
        super().__init__()
        if chunk < 1:
            raise ValueError(f"expected a chunk of at least a pixel, got {chunk}")
        self.loss_weight, self.chunk = loss_weight, chunk
        self.distance = distance or LPIPSLoss(vgg_path=vgg_path, average_pooling=False)

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Of (B, 3, H, W) images; all chunks pass in one batch."""
        pieces = [2 * chunks(image, self.chunk) - 1 for image in (output, target)]
        return self.loss_weight * self.distance(*pieces)
