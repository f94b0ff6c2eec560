"""The discriminator of a GAN-trained super-resolution network: relativistic as in ESRGAN, with BasicSR's options."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from basicsr.archs import build_network
from basicsr.losses import build_loss
from torch import Tensor, nn

from degflow_aug.models.checks.run import check_adversary


class Trainer(Protocol):
    """What a discriminator needs of the model that it is trained beside."""

    @property
    def opt(self) -> dict[str, Any]: ...
    @property
    def device(self) -> torch.device: ...
    def autocast(self) -> torch.autocast: ...
    def model_to_device(self, net: nn.Module) -> nn.Module: ...
    def load_network(self, net: nn.Module, load_path: str, strict: bool, param_key: str) -> None: ...
    def get_optimizer(self, optim_type: str, params: Any, **arguments: Any) -> torch.optim.Optimizer: ...


class Adversary:
    """``network_d``, ``train.gan_opt`` and ``train.optim_d``, stepped after the generator network.

    With D averaged over the batch, the generator's loss is the mean of L(D(real) - D(fake), fake) and
    L(D(fake) - D(real), real); the discriminator's has the labels swapped (ESRGAN, eq. 1 and 2).
    """

    def __init__(self, model: Trainer) -> None:
        """Build the discriminator beside ``model``.

        Raises:
            ValueError: as :func:`check_adversary`.
        """
        opt, train = model.opt, model.opt["train"]
        check_adversary(opt)
        self.model = model
        self.network = model.model_to_device(build_network(opt["network_d"])).train()
        path = opt["path"].get("pretrain_network_d")
        if path:
            key = opt["path"].get("param_key_d", "params")
            model.load_network(self.network, path, opt["path"].get("strict_load_d", True), key)
        self.loss = build_loss(dict(train["gan_opt"])).to(model.device)
        optimizer = dict(train["optim_d"])
        self.optimizer = model.get_optimizer(optimizer.pop("type"), self.network.parameters(), **optimizer)
        self.every = int(train.get("net_d_iters", 1))
        self.start = int(train.get("net_d_init_iters", 0))

    def trains_generator(self, iteration: int) -> bool:
        """Whether the generator network takes a step in this iteration (``net_d_iters``, ``net_d_init_iters``)."""
        return iteration % self.every == 0 and iteration > self.start

    def generator_loss(self, output: Tensor, target: Tensor) -> Tensor:
        """What (B, 3, H, W) in [0, 1] loses by being told from ``target``; moves no parameter of D."""
        self.network.requires_grad_(False)
        real = self.network(target).float().detach()
        fake = self.network(output).float()
        against = self.loss(real - fake.mean(), False, is_disc=False)
        return (against + self.loss(fake - real.mean(), True, is_disc=False)) / 2

    def step(self, pairs: Sequence[tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
        """One step of D on parts of a batch, (output, target) each; the outputs carry no gradient."""
        self.network.requires_grad_(True)
        self.optimizer.zero_grad()
        total = sum(len(target) for _, target in pairs)
        shares = [len(target) / total for _, target in pairs]
        logs = [self._backward(*pair, share) for pair, share in zip(pairs, shares, strict=True)]
        self.optimizer.step()
        means = {key: [share * log[key] for share, log in zip(shares, logs, strict=True)] for key in logs[0]}
        return {key: torch.stack(values).sum() for key, values in means.items()}

    def _backward(self, output: Tensor, target: Tensor, share: float) -> dict[str, Tensor]:
        # Real and fake go backward one after another: two passes before one backward would find batch normalisation
        # changed in place.
        with self.model.autocast():
            other = self.network(output).float().detach()
            real = self.network(target).float()
            loss_real = self.loss(real - other.mean(), True, is_disc=True) * 0.5
        (share * loss_real).backward()
        with self.model.autocast():
            fake = self.network(output).float()
            loss_fake = self.loss(fake - real.detach().mean(), False, is_disc=True) * 0.5
        (share * loss_fake).backward()
        logs = {"l_d_real": loss_real, "l_d_fake": loss_fake, "out_d_real": real.mean(), "out_d_fake": fake.mean()}
        return {key: value.detach() for key, value in logs.items()}
