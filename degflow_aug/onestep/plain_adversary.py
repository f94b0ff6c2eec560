"""A discriminator that judges images one by one, as those of OMGSR, beside a one-step network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from basicsr.archs import build_network
from basicsr.losses import build_loss
from torch import Tensor, nn

from degflow_aug.models.sr.adversary import check_adversary

if TYPE_CHECKING:
    from degflow_aug.onestep.onestep_model import OneStepModel


class PlainAdversary:
    """``network_d``, ``train.gan_opt`` and ``train.optim_d``, stepped after the generator network on its images."""

    def __init__(self, model: OneStepModel) -> None:
        """Build the discriminator beside ``model``.

        Raises:
            ValueError: one of the three sections without the others.
        """
        opt, train = model.opt, model.opt["train"]
        check_adversary(opt)
        self.model = model
        self.network = build_network(opt["network_d"]).to(model.device).train().requires_grad_(True)
        if opt["path"].get("pretrain_network_d"):
            model.load_network(self.network, opt["path"]["pretrain_network_d"])
        self.loss = build_loss(dict(train["gan_opt"])).to(model.device)
        optimizer = dict(train["optim_d"])
        self.optimizer = model.get_optimizer(optimizer.pop("type"), self.parameters(), **optimizer)

    def parameters(self) -> list[nn.Parameter]:
        """What is trained of it."""
        return list(self.network.heads.parameters())

    def generator_loss(self, made: Tensor) -> Tensor:
        """What images (B, 3, H, W) in [0, 1] lose by being told for made; moves no parameter of D."""
        self.network.requires_grad_(False)
        loss: Tensor = self.loss(self.network(made), True, is_disc=False)
        self.network.requires_grad_(True)
        return loss

    def step(self, pairs: Sequence[tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
        """One step of D on parts of a batch, (made, true) each, in [0, 1] and without gradient."""
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
        self.model.average_gradients(self.parameters())
        self.optimizer.step()
        return logs
