"""The latent discriminator of FlowSR: heads on what the frozen teacher's encoder sees of latents, with a hinge loss.

Its architecture is unpublished; this one follows the project that the paper acknowledges for it [inferred].
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn


class LatentHeads(nn.Module):
    """One head of convolutions for every feature map of an encoder.

    Args:
        channels: of the feature maps.
        width: channels inside a head.
    """

    def __init__(self, channels: Sequence[int], width: int = 64) -> None:
        super().__init__()
        self.heads = nn.ModuleList(_head(count, width) for count in channels)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Feature maps (B, C, h, w) -> logits (B, cells) of each."""
        return [head(each).flatten(1) for head, each in zip(self.heads, features, strict=True)]


def generator_hinge(fake: Sequence[Tensor]) -> Tensor:
    """mean(-D(fake)), averaged over heads."""
    return -sum(each.mean() for each in fake) / len(fake)  # type: ignore[return-value]


def discriminator_hinge(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
    """mean(max(0, 1 - D(real))) + mean(max(0, 1 + D(fake))), averaged over heads."""
    losses = [F.relu(1 - one).mean() + F.relu(1 + other).mean() for one, other in zip(real, fake, strict=True)]
    return sum(losses) / len(losses)  # type: ignore[return-value]


def _head(channels: int, width: int) -> nn.Sequential:
    groups = next(count for count in (8, 4, 2, 1) if width % count == 0)
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1),
        nn.GroupNorm(groups, width),
        nn.LeakyReLU(0.2),
        nn.Conv2d(width, 1, 1),
    )
