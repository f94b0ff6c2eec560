"""What every model of ours shares: one network, its EMA, exact resume, atomic checkpoints, a guard on the loss."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from copy import deepcopy
from importlib.util import find_spec
from typing import Any, Protocol

import torch
from basicsr.archs import build_network
from basicsr.models.base_model import BaseModel
from torch import Tensor, nn

from degflow_aug.compat.devices import model_to_device
from degflow_aug.compat.weights import fill_network, named_for_ema
from degflow_aug.models.training import interrupt
from degflow_aug.models.training.interrupt import DivergenceGuard
from degflow_aug.models.training.training_checkpoint import TrainingCheckpoint


def adamw_8bit(
    params: Any,
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 1e-2,
) -> torch.optim.Optimizer:
    """AdamW of bitsandbytes, whose moments take a quarter of the memory.

    Raises:
        ValueError: bitsandbytes is not installed.
    """
    if find_spec("bitsandbytes") is None:
        raise ValueError("expected bitsandbytes for AdamW8bit, got none; pip install bitsandbytes, or take AdamW")
    from bitsandbytes.optim import AdamW8bit

    made: torch.optim.Optimizer = AdamW8bit(params, lr=lr, betas=tuple(betas), eps=eps, weight_decay=weight_decay)
    return made


OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "Adam": torch.optim.Adam,
    "AdamW": torch.optim.AdamW,
    "SGD": torch.optim.SGD,
    "AdamW8bit": adamw_8bit,
}
MOMENT_BYTES = {"Adam": 8, "AdamW": 8, "SGD": 4, "AdamW8bit": 2}
"""Of every trained number, with momentum."""


class StepOptions(Protocol):
    """What a step needs to know of the ``degflow:`` section, whichever model it is of."""

    @property
    def amp(self) -> str: ...
    @property
    def grad_clip(self) -> float: ...
    @property
    def compile(self) -> bool: ...


class TrainedModel(TrainingCheckpoint, BaseModel):
    """A BasicSR model over ``network_g`` whose every iteration is a function of (seed, rank, iteration).

    No random state is saved and none needs to be: a resumed run draws what the uninterrupted one would have drawn.
    Subclasses write ``take_step``.

    Attributes:
        stops: whether a step that a signal has reached ends the run, or whoever takes the steps sees to that.
    """

    opt: dict[str, Any]
    options: StepOptions
    network: nn.Module
    net_g_ema: nn.Module | None = None
    model_to_device = model_to_device
    stops: bool = True

    def __init__(self, opt: dict[str, Any], options: StepOptions) -> None:
        super().__init__(opt)
        self.options = options
        self.net_g = self.model_to_device(build_network(opt["network_g"]))
        self.print_network(self.net_g)
        self.iteration = 0
        self.in_step = False
        self._losses: dict[str, Tensor] = {}
        interrupt.on_stop(self.save_between_steps)
        load_path = opt["path"].get("pretrain_network_g")
        if load_path:
            key = opt["path"].get("param_key_g", "params")
            self.load_network(self.net_g, load_path, opt["path"].get("strict_load_g", True), key)
        if self.is_train:
            self._prepare_training(load_path)

    def _prepare_training(self, load_path: str | None) -> None:
        train = self.opt["train"]
        self.net_g.train()
        self.ema_decay = float(train.get("ema_decay", 0))
        if self.ema_decay:
            self.net_g_ema = deepcopy(self.get_bare_model(self.net_g)).eval().requires_grad_(False)
            if load_path:
                self.load_network(self.net_g_ema, load_path, self.opt["path"].get("strict_load_g", True), "params_ema")
        self.guard = DivergenceGuard()
        # Reading a loss waits for a GPU, so there only every 20th is looked at.
        self.guard_interval = 20 if self.device.type == "cuda" else 1
        # BasicSR pops 'type' out of this section; a copy leaves the options whole for whoever reads them next.
        self.opt = {**self.opt, "train": {**train, "scheduler": dict(train["scheduler"])}}
        optimizer = dict(train["optim_g"])
        self.optimizer_g = self.get_optimizer(optimizer.pop("type"), self.trained_parameters(), **optimizer)
        self.optimizers += [self.optimizer_g, *self.other_optimizers()]
        self.setup_schedulers()
        self.network = self.net_g
        if self.options.compile:
            self.network = torch.compile(self.net_g)  # type: ignore[assignment]

    def trained_parameters(self) -> list[nn.Parameter]:
        """Parameters of ``net_g`` that its optimiser moves."""
        return list(self.net_g.parameters())

    def other_optimizers(self) -> list[torch.optim.Optimizer]:
        """Optimisers beside that of ``net_g``, to be scheduled and saved with it."""
        return []

    def get_optimizer(self, optim_type: str, params: Any, lr: float, **kwargs: Any) -> torch.optim.Optimizer:
        """Adam, AdamW or SGD over ``params``.

        Raises:
            ValueError: another optimiser.
        """
        if optim_type not in OPTIMIZERS:
            raise ValueError(f"expected train.optim_g.type out of {', '.join(OPTIMIZERS)}, got {optim_type!r}")
        return OPTIMIZERS[optim_type](params, lr, **kwargs)

    def load_network(self, net: nn.Module, load_path: str, strict: bool = True, param_key: str = "params") -> None:
        """Load a checkpoint of ours, of BasicSR or of another trainer; see :func:`fill_network`.

        Raises:
            ValueError: no such file, another kind of file, or weights of another network.
        """
        fill_network(self.get_bare_model(net), load_path, strict, param_key, named_for_ema(self, param_key))

    def iteration_seed(self, iteration: int, rank: int | None = None) -> int:
        """A seed of this iteration's own, different on every rank; that of ``rank`` where one is named."""
        seed = int(self.opt.get("manual_seed") or 0)
        own = int(self.opt.get("rank", 0)) if rank is None else rank
        return ((seed * 1_000_003 + iteration) * 4_099 + own) % 2**63

    def autocast(self) -> torch.autocast:
        """The precision that the options name."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.options.amp == "bf16")

    def set_learning_rate(self, rate: float) -> None:
        """Learning rate of the next step, for a loop with a schedule of its own."""
        for group in self.optimizer_g.param_groups:
            group["lr"] = rate

    def take_step(self, current_iter: int) -> dict[str, Tensor]:
        """Forward, backward and optimiser for the fed batch; returns its losses, ``total`` first.

        Calls ``self.network``, which is ``net_g`` or compiled from it.
        """
        raise NotImplementedError

    def optimize_parameters(self, current_iter: int) -> None:
        """One step on the fed batch.

        Raises:
            TrainingDiverged: the loss is not a number or has run away; nothing was saved since.
            KeyboardInterrupt, SystemExit: asked to stop; this step was saved.
        """
        self.in_step, self.versions_before = True, self.versions()
        torch.manual_seed(self.iteration_seed(current_iter))
        losses = self.take_step(current_iter)
        self.iteration = current_iter
        if self.net_g_ema is not None:
            self.model_ema(self.ema_decay)
        self._losses = OrderedDict((key, loss.detach()) for key, loss in losses.items())
        self.in_step = False
        number = interrupt.requested() if self.stops else None
        if number is not None:
            self.save_between_steps()
            raise interrupt.stop(number)

    def check_loss(self, total: Tensor, current_iter: int) -> None:
        """Let the guard look at a loss, before its gradient moves anything."""
        if current_iter % self.guard_interval == 0:
            self.guard.check(total.item(), current_iter)

    def step_generator(self) -> None:
        """Move the parameters of ``net_g`` along their gradients."""
        if self.options.grad_clip:
            nn.utils.clip_grad_norm_(self.trained_parameters(), self.options.grad_clip)
        self.optimizer_g.step()

    def get_current_log(self) -> dict[str, float]:
        """Losses of the last step, averaged over ranks; read only when asked, because reading waits for the GPU."""
        return self.reduce_loss_dict(self._losses)

    @torch.no_grad()
    def model_ema(self, decay: float = 0.999) -> None:
        """EMA of the parameters, warmed up over the first steps; buffers are copied (BasicSR leaves them behind)."""
        if self.net_g_ema is None:
            return
        decay = self.warmed_up(decay)
        source = self.get_bare_model(self.net_g)
        for average, value in zip(self.net_g_ema.parameters(), source.parameters(), strict=True):
            average.mul_(decay).add_(value, alpha=1 - decay)
        for kept, buffer in zip(self.net_g_ema.buffers(), source.buffers(), strict=True):
            kept.copy_(buffer)

    def warmed_up(self, decay: float) -> float:
        """EMA decay after ``self.iteration`` steps: (1 + n) / (10 + n), as long as that is less."""
        return min(decay, self.iteration / (9 + self.iteration))

    def trained_network(self) -> Any:
        """The network to use, of its own class: the EMA where there is one."""
        return self.net_g_ema if self.net_g_ema is not None else self.get_bare_model(self.net_g)
