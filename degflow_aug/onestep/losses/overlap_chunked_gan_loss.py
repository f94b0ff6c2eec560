"""The GAN loss of OMGSR: binary cross-entropy of the logits of several levels, with a soft label for real images."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class OverlapChunkedGANLoss(nn.Module):
    """Called as BasicSR's GANLoss: a discriminator's logits, what they should say, and whether it is D's own loss.

    Goes with ``OverlapChunkedDiscriminator``, whose logits have three axes, levels first, then chunks. Those of any
    other discriminator, of two or four axes, are one level.

    Args:
        loss_weight: of the generator's loss; D's own is halved instead, as published.
        real_label: what real images should get, and the generator's images for the generator.
        fake_label: what the generator's images should get from D.
    """

    def __init__(self, loss_weight: float = 0.5, real_label: float = 0.8, fake_label: float = 0.0) -> None:
        super().__init__()
        self.loss_weight, self.labels = loss_weight, {True: real_label, False: fake_label}

    def forward(self, logits: Tensor, target_is_real: bool, is_disc: bool = False) -> Tensor:
        """The sum over levels of the mean cross-entropy."""
        levels = logits.unbind() if logits.ndim == 3 else (logits,)
        label = self.labels[target_is_real]
        losses = [
            F.binary_cross_entropy_with_logits(level.float(), torch.full_like(level, label, dtype=torch.float32))
            for level in levels
        ]
        return torch.stack(losses).sum() * (0.5 if is_disc else self.loss_weight)
