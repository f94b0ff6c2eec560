"""TV-LPIPS (FluxSR): LPIPS of images, and of their total variation, where periodic artefacts show."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from degflow_aug.metrics.lpips_loss import LPIPSLoss


def total_variation(images: Tensor) -> Tensor:
    """|I(i + 1, j) - I(i, j)| + |I(i, j + 1) - I(i, j)| of (B, C, H, W) -> (B, C, H - 1, W - 1), channel by channel."""
    corner = images[..., :-1, :-1]
    return (images[..., 1:, :-1] - corner).abs() + (images[..., :-1, 1:] - corner).abs()


class TVLPIPSLoss(nn.Module):
    """weight (LPIPS(I, I0) + gamma LPIPS(TV(I), TV(I0))) of images in [0, 1].

    TV of both is taken in [0, 1], limited to it and brought to LPIPS's range (our inference).

    Args:
        loss_weight: of the sum.
        gamma: of the second distance.
        vgg_path: torchvision's VGG16 weights; default: torchvision's cache.
        distance: another distance of images in [-1, 1], instead of LPIPS.

    Raises:
        ValueError: no VGG16 weights.
    """

    def __init__(
        self,
        loss_weight: float = 1.0,
        gamma: float = 1.0,
        vgg_path: str | Path | None = None,
        distance: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.loss_weight, self.gamma = loss_weight, gamma
        self.distance = distance or LPIPSLoss(vgg_path=vgg_path, average_pooling=False)

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Of (B, 3, H, W) images."""
        loss = self.distance(2 * output - 1, 2 * target - 1)
        if self.gamma:
            variations = [2 * total_variation(image).clamp(0, 1) - 1 for image in (output, target)]
            loss = loss + self.gamma * self.distance(*variations)
        return self.loss_weight * loss
