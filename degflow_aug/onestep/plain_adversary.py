"""A discriminator that judges images one by one, as those of OMGSR, beside a one-step network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from degflow_aug.models.sr.adversary import Adversary, Trainer


class RankTrainer(Trainer, Protocol):
    """A trainer whose ranks average gradients themselves."""

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None: ...


class PlainAdversary(Adversary):
    """``network_d``, ``train.gan_opt`` and ``train.optim_d``, stepped after the generator network on its images.

    ``network_d`` holds what is trained alone; published features are no part of its parameters.
    """

    def __init__(self, model: RankTrainer) -> None:
        super().__init__(model)
        self.average_gradients = model.average_gradients

    def generator_loss(self, output: Tensor, target: Tensor) -> Tensor:
        """What images (B, 3, H, W) in [0, 1] lose by being told from true ones; moves no parameter of D."""
        self.network.requires_grad_(False)
        loss: Tensor = self.loss(self.network(output), True, is_disc=False)
        return loss

    def step(self, pairs: Sequence[tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
        """One step of D on parts of a batch, (made, true) each, in [0, 1] and without gradient."""
        self.network.requires_grad_(True)
        self.optimizer.zero_grad(set_to_none=True)
        total = sum(len(made) for made, _ in pairs)
        logs = {key: torch.zeros((), device=self.model.device) for key in ("l_d_real", "l_d_fake")}
        for made, true in pairs:
            share = len(made) / total
            for key, images, real in (("l_d_real", true, True), ("l_d_fake", made, False)):
                with self.model.autocast():
                    loss = share * self.loss(self.network(images), real, is_disc=True)
                loss.backward()
                logs[key] = logs[key] + loss.detach()
        self.average_gradients(self.network.parameters())
        self.optimizer.step()
        return logs
