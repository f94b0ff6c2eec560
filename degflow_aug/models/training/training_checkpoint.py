"""What a run saves to resume from: all networks and the training state, whole or absent, and only finite weights."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from basicsr.utils.dist_util import master_only
from torch import Tensor, nn

from degflow_aug.compat.state import save_training_state
from degflow_aug.files.tensor_file import write_checkpoint
from degflow_aug.models.training.checkpoint import state_on_cpu
from degflow_aug.models.training.interrupt import ADVICE, DivergenceGuard, TrainingDiverged


class TrainingCheckpoint:
    """Adds ``save`` and ``resume_training`` to a BasicSR model. Put it before the model's other bases."""

    opt: dict[str, Any]
    net_g: nn.Module
    net_g_ema: nn.Module | None
    optimizers: list[torch.optim.Optimizer]
    schedulers: list[Any]
    guard: DivergenceGuard
    iteration: int
    in_step: bool
    resumed_at: int = 0
    versions_before: int = -1
    _losses: dict[str, Tensor]
    save_training_state = save_training_state
    _before: tuple[int, list[dict[str, Any]], list[list[float]]] = (0, [], [])

    if TYPE_CHECKING:

        def get_bare_model(self, net: nn.Module) -> Any:
            """The network without its wrapper."""

    def save_between_steps(self) -> None:
        """Save for a stop what was trained since the run began or went on.

        Within a step that has moved something nothing is saved, because not all belongs together there.
        """
        if self.iteration > self.resumed_at and (not self.in_step or self.versions() == self.versions_before):
            self._take_back_schedule()
            # The epoch is counted anew from the iteration on resume.
            self.save(0, self.iteration)

    def update_learning_rate(self, current_iter: int, warmup_iter: int = -1) -> None:
        """BasicSR's, which moves the schedules before the step that they are for; remembers where they were."""
        schedules = [{**schedule.state_dict()} for schedule in self.schedulers]
        rates = [[group["lr"] for group in optimizer.param_groups] for optimizer in self.optimizers]
        self._before = (current_iter, schedules, rates)
        super().update_learning_rate(current_iter, warmup_iter)  # type: ignore[misc]

    def _take_back_schedule(self) -> None:
        """Put the schedules back to the last whole step, where they have moved for one that came to nothing."""
        moved_for, schedules, rates = self._before
        if moved_for <= self.iteration:
            return
        for schedule, state in zip(self.schedulers, schedules, strict=True):
            schedule.load_state_dict(state)
        for optimizer, known in zip(self.optimizers, rates, strict=True):
            for group, rate in zip(optimizer.param_groups, known, strict=True):
                group["lr"] = rate

    @master_only
    def save_network(self, net: Any, net_label: str, current_iter: int | str, param_key: Any = "params") -> None:
        """Write the network with its spec; a file is whole or absent, and a failure is an error, not a log line."""
        nets, keys = (net, param_key) if isinstance(net, list) else ([net], [param_key])
        bare = [self.get_bare_model(item) for item in nets]
        content: dict[str, Any] = {key: state_on_cpu(item) for key, item in zip(keys, bare, strict=True)}
        if hasattr(bare[0], "spec"):
            content["spec"] = bare[0].spec
        label = "latest" if current_iter == -1 else current_iter
        write_checkpoint(Path(self.opt["path"]["models"]) / f"{net_label}_{label}.pth", content)

    def resume_training(self, resume_state: dict[str, Any]) -> None:
        """Restore optimisers and schedules; the best metrics, which BasicSR forgets, ``compat_training`` restores.

        Raises:
            ValueError: the state is of other optimisers.
        """
        _check_optimizers(resume_state["optimizers"], self.optimizers)
        super().resume_training(resume_state)  # type: ignore[misc]
        self.iteration = self.resumed_at = int(resume_state["iter"])

    def versions(self) -> int:
        """A number that grows whenever a parameter, or a buffer of the network, is written to."""
        groups = [group for optimizer in self.optimizers for group in optimizer.param_groups]
        tensors = [weight for group in groups for weight in group["params"]]
        return sum(tensor._version for tensor in (*tensors, *self.trained_buffers()))

    def trained_buffers(self) -> list[Tensor]:
        """Buffers of the networks that are trained; a forward pass may write to them."""
        return list(self.net_g.buffers())

    def save_companions(self) -> None:
        """Write files that go with a checkpoint; before it, so that a checkpoint on disk has them beside it."""

    def save(self, epoch: int, current_iter: int) -> None:
        """Write what belongs to the networks, the networks, then the training state.

        Raises:
            TrainingDiverged: the last loss or a weight is not a number, so that the checkpoint before is the good one.
        """
        if self._losses:
            self.guard.check_finite(torch.stack(list(self._losses.values())).sum().item(), self.iteration)
        self._check_weights()
        self.save_companions()
        self.save_networks(current_iter)
        self.save_training_state(epoch, current_iter)

    def _check_weights(self) -> None:
        """A loss speaks of the weights before its step; what is saved are those after it."""
        groups = [group for optimizer in self.optimizers for group in optimizer.param_groups]
        sums = [weight.detach().float().sum() for group in groups for weight in group["params"]]
        if not math.isfinite(torch.stack(sums).sum().item()):
            raise TrainingDiverged(
                f"expected finite weights, got NaN or infinity at iteration {self.iteration}; {ADVICE}"
            )

    def save_networks(self, current_iter: int | str) -> None:
        """Write every network that is trained, the EMA beside its source; ``current_iter`` -1 stands for latest."""
        if self.net_g_ema is None:
            self.save_network(self.net_g, "net_g", current_iter)
        else:
            self.save_network([self.net_g, self.net_g_ema], "net_g", current_iter, ["params", "params_ema"])


def _check_optimizers(saved: Sequence[Mapping[str, Any]], optimizers: Sequence[torch.optim.Optimizer]) -> None:
    """Raise a ValueError where a training state was saved by optimisers of another number or type."""
    advice = "resume with the options of the earlier run, or give this one another name"
    if len(saved) != len(optimizers):
        raise ValueError(
            f"expected a training state of {len(optimizers)} optimisers (train.optim_g, train.optim_d), got one of "
            f"{len(saved)}; {advice}"
        )
    for state, optimizer in zip(saved, optimizers, strict=True):
        groups = state.get("param_groups")
        if not isinstance(groups, list) or not groups or not isinstance(groups[0], Mapping):
            raise ValueError(f"expected a training state with param_groups of its optimisers, got none; {advice}")
        old, new = state["param_groups"][0], optimizer.param_groups[0]
        # Versions of torch differ in keys that one of them lacks; types of optimisers in keys of both.
        other = bool(set(old) - set(new) and set(new) - set(old))
        decoupled = "decoupled_weight_decay"
        if other or (decoupled in old and decoupled in new and old[decoupled] != new[decoupled]):
            name = type(optimizer).__name__
            raise ValueError(f"expected a training state of {name}, got one of another type of optimiser; {advice}")
