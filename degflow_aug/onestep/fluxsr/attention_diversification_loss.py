"""Attention diversification (FluxSR): tokens of a transformer that all say the same make the artefacts of a grid."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def token_similarity(tokens: Tensor) -> Tensor:
    """Mean cosine between tokens (B, N, C) and their own mean: 1 where all are alike."""
    return F.cosine_similarity(tokens, tokens.mean(dim=1, keepdim=True), dim=-1).mean()


class AttentionDiversificationLoss(nn.Module):
    """weight times the mean over layers of :func:`token_similarity`, to be lowered.

    Args:
        loss_weight: ours is 0.1 (inferred; the paper tells none).
    """

    def __init__(self, loss_weight: float = 0.1) -> None:
        super().__init__()
        self.loss_weight = loss_weight

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Of the tokens (B, N, C) of every layer.

        Raises:
            ValueError: no layer.
        """
        if not features:
            raise ValueError("expected the tokens of at least one layer, got none")
        return self.loss_weight * torch.stack([token_similarity(each.float()) for each in features]).mean()
