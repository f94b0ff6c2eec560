"""The adversary of learned noise: a small network on residuals that tells generated LR from real LR.

It is of the kind that the two-sample test trains, on the pairs that the noise is learned from. By the energy score
alone what a network sees in 32x32 pixels counts little.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from degflow_aug.metrics.two_sample import CLASSIFIERS

RATE, DECAY = 2e-3, 1e-3
WEIGHT = 0.3
SHARE, MOST_STEPS, RAMP = 0.6, 1500, 0.1


def adversary_share(step: int, progress: float) -> float:
    """Share of a training that the adversary takes, at its end: 60 %, but no more than 1500 steps.

    Longer it learns the real residuals by heart, and drives the noise away from those of other scenes.

    Args:
        step, progress: of the training, the second in [0, 1]; they say how many steps it will have.
    """
    return min(SHARE, MOST_STEPS * progress / step) if step else SHARE


class Adversary:
    """Learns beside the noise, once that has learned for a while.

    Args:
        device: of the images.
    """

    def __init__(self, device: torch.device) -> None:
        self.network = CLASSIFIERS["residual"]().to(device)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), RATE, betas=(0.5, 0.99), weight_decay=DECAY)

    def loss(self, real: Tensor, made: Tensor, progress: float) -> Tensor:
        """Learn a step, and return what the noise is to bring down: softplus(-score) of made LR, times its weight.

        Args:
            real, made: LR (B, 3, h, w) of the same places in [0, 1].
            progress: of the adversary's part of the training, in [0, 1].
        """
        scores = self._scores(real, made.detach())
        wrong = F.softplus(torch.cat([-scores[0], scores[1]])).mean()
        self.optimizer.zero_grad()
        wrong.backward()
        self.optimizer.step()
        weight = WEIGHT * min(1.0, progress / RAMP)
        return weight * F.softplus(-self._scores(real, made)[1]).mean()

    def _scores(self, real: Tensor, made: Tensor) -> tuple[Tensor, Tensor]:
        """Together, so that what is normalised over the batch is over both."""
        scores = self.network(torch.cat([real, made]))
        return scores[: len(real)], scores[len(real) :]

    def state_dict(self) -> dict[str, Any]:
        """What :meth:`load_state_dict` goes on from."""
        return {"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a :meth:`state_dict`."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
