"""What a training state holds, and whether it fits the optimisers and schedules that it goes into.

BasicSR 1.4.2 hands it to PyTorch, which takes nearly anything for such a state: a learning rate that is text, or
averages of another shape, come to light in a later step, in the words of whatever fails there.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from degflow_aug.compat.resume import resumed_networks
from degflow_aug.compat.run_record import recorded
from degflow_aug.compat.schedules import is_other_schedule, replay
from degflow_aug.console.sentence import sentence
from degflow_aug.files.fingerprint import fingerprint
from degflow_aug.files.tensor_file import write_checkpoint

_ADVICE = "repair it, or take it away to start anew"
_MISFITS = (KeyError, TypeError, AttributeError, IndexError, ValueError, RuntimeError, AssertionError)


def training_state(model: Any, epoch: int, iteration: int) -> dict[str, Any]:
    """Collect what a model of BasicSR's needs to go on, and what it was trained with until then (``run``)."""
    return {
        "epoch": epoch,
        "iter": iteration,
        "optimizers": [optimizer.state_dict() for optimizer in model.optimizers],
        "schedulers": [schedule.state_dict() for schedule in model.schedulers],
        "best_metric_results": _plain(getattr(model, "best_metric_results", {})),
        **({"run": model.opt["run"]} if "run" in model.opt else {}),
    }


def _plain(value: Any) -> Any:
    """NumPy's numbers, which BasicSR's metrics are, would be code in the file."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return value.item() if isinstance(value, np.generic) else value


def save_training_state(self: Any, epoch: int, current_iter: int) -> None:
    """BasicSR's method of this name: writes :func:`training_state` on rank 0, but for -1, the latest, whole or not.

    The networks lie beside it by then, and it keeps what they are.

    Raises:
        OSError: it cannot be written; BasicSR goes on without.
    """
    if current_iter != -1 and self.opt.get("rank", 0) == 0:
        path = Path(self.opt["path"]["training_states"], f"{current_iter}.state")
        networks = {file.name: fingerprint(file) for file in resumed_networks(self.opt, current_iter)}
        write_checkpoint(path, {**training_state(self, epoch, current_iter), "networks": networks})


def other_networks(opt: Mapping[str, Any], state: Mapping[str, Any]) -> list[str]:
    """Say which networks are others than a state was saved with, a sentence each; earlier states do not tell."""
    kept = state.get("networks")
    known = kept if isinstance(kept, dict) else {}
    return [
        f"{path} has changed since iteration {state['iter']} was saved: the run goes on from it as it is."
        for path in resumed_networks(opt, state["iter"])
        if known.get(path.name) is not None and known[path.name] != fingerprint(path)
    ]


def check_optimizers(opt: Mapping[str, Any], state: Mapping[str, Any] | None) -> None:
    """Try a step with the arguments of every optimiser, and look for what it keeps in a state, where there is one.

    Raises:
        ValueError: such an optimiser cannot take a step here, or not go on from the state.
    """
    names = [name for name in ("optim_g", "optim_d") if opt["train"].get(name)]
    saved = state["optimizers"] if state is not None else []
    for number, name in enumerate(names):
        section = opt["train"][name]
        needed = _kept_by_a_step(section, f"train.{name}", bool(opt.get("num_gpu")))
        arguments, held = _arguments_and_names(saved[number]) if number < len(saved) else ({}, set())
        if held and (missing := min(needed - held, default="")):
            other = {key: value for key, value in section.items() if arguments.get(key, value) != value and key != "lr"}
            raise ValueError(
                f"expected arguments in train.{name} that the training state can go on with, got {other}, which takes "
                f"its {missing}, and it has none; go on with the earlier ones, or give this run a name of its own"
            )


def _arguments_and_names(saved: Mapping[str, Any]) -> tuple[Mapping[str, Any], set[str]]:
    """Return the arguments of a saved optimiser, and the names of what it keeps; nothing where it is none."""
    try:
        return dict(saved["param_groups"][0]), {name for kept in saved["state"].values() for name in kept}
    except _MISFITS:
        return {}, set()


def _kept_by_a_step(section: Mapping[str, Any], where: str, on_gpu: bool) -> set[str]:
    """Take one step with a weight, and return the names of what the optimiser keeps of it; nothing if not torch's."""
    arguments = {key: value for key, value in section.items() if key != "type"}
    kind = getattr(torch.optim, str(section.get("type")), None)
    if kind is None:
        return set()
    weight = torch.nn.Parameter(torch.zeros(1, device="cuda" if on_gpu and torch.cuda.is_available() else "cpu"))
    weight.grad = torch.zeros_like(weight)
    try:
        optimizer = kind([weight], **arguments)
        optimizer.step()
    except _MISFITS as error:
        raise ValueError(
            f"expected arguments in {where} with which {section['type']} can train here, got {arguments}: "
            f"{sentence(error)}"
        ) from None
    return {key for key, value in optimizer.state[weight].items() if value is not None}


def checked(resume_training: Callable[[Any, dict[str, Any]], None]) -> Callable[[Any, dict[str, Any]], None]:
    """Wrap BasicSR's ``resume_training`` so that a state of another model is a ValueError of one sentence.

    The averages of the optimisers are those of the state; their arguments, and the schedules, those of the options.
    """

    @functools.wraps(resume_training)
    def resume_or_refuse(self: Any, resume_state: dict[str, Any]) -> None:
        """Resume, and compare what came with what was there."""
        groups = [_groups(optimizer) for optimizer in self.optimizers]
        fresh = [deepcopy(schedule.state_dict()) for schedule in self.schedulers]
        try:
            pairs = list(zip(resume_state["schedulers"], fresh, strict=True))
            for saved, new in pairs:
                _check_alike(saved, new, "the schedule")
            other = _is_other_warmup(self.opt, resume_state) or any(is_other_schedule(*pair) for pair in pairs)
            resume_training(self, {**resume_state, "schedulers": fresh} if other else resume_state)
            for optimizer, before in zip(self.optimizers, groups, strict=True):
                _check_optimizer(optimizer, before)
                _follow_options(optimizer, before)
            if other:
                replay(self, fresh, resume_state["iter"])
        except _MISFITS as error:
            said = " ".join(str(error).split()) or type(error).__name__
            path = (self.opt.get("path") or {}).get("resume_state") or "the training state"
            raise ValueError(f"expected a training state of this model in {path}, got: {said}; {_ADVICE}") from error

    return resume_or_refuse


def _is_other_warmup(opt: Mapping[str, Any], state: Mapping[str, Any]) -> bool:
    """A state of an earlier version does not tell its warm-up."""
    before, key = recorded(state), "warmup_iter"
    return before is not None and before["options"].get(f"train.{key}", -1) != opt["train"].get(key, -1)


def _groups(optimizer: torch.optim.Optimizer) -> list[dict[str, Any]]:
    return [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups]


def _check_optimizer(optimizer: torch.optim.Optimizer, before: Sequence[Mapping[str, Any]]) -> None:
    for group, fresh in zip(_groups(optimizer), before, strict=True):
        _check_alike(group, fresh, "the optimiser")
    values = (value for state in optimizer.state.values() for value in state.values())
    if any(isinstance(value, Tensor) and value.dtype == torch.uint8 for value in values):
        # bitsandbytes keeps averages of large weights in 8 bits, beside scales that have names and shapes of their own.
        return
    for weight, state in optimizer.state.items():
        for name, value in state.items():
            if isinstance(value, Tensor) and value.numel() > 1 and value.shape != weight.shape:
                raise ValueError(f"{name} of shape {tuple(value.shape)} for a weight of {tuple(weight.shape)}")
            if not isinstance(value, (Tensor, Real)) and value is not None:
                raise ValueError(f"{name} of an optimiser is {_shown(value)}")
            if isinstance(value, Tensor) and (value.is_complex() or not bool(torch.isfinite(value).all())):
                raise ValueError(f"{name} of an optimiser holds values that are not finite")
        if missing := _missing(optimizer, state):
            raise ValueError(f"an optimiser without its {missing}")


def _follow_options(optimizer: torch.optim.Optimizer, fresh: Sequence[Mapping[str, Any]]) -> None:
    """Give an optimiser the arguments of the options again; its learning rate is the schedule's."""
    for group, options in zip(optimizer.param_groups, fresh, strict=True):
        moves = any(group.get(key) != options.get(key) for key in ("capturable", "fused"))
        group.update({key: value for key, value in options.items() if key != "lr"})
        if moves:
            # Their count of steps lies on the device of the weights, and others' on the CPU.
            optimizer.load_state_dict(optimizer.state_dict())


def _missing(optimizer: torch.optim.Optimizer, state: Mapping[str, Any]) -> str:
    """Find a name that the states of the other weights have, and this one lacks."""
    every = {name for other in optimizer.state.values() for name in other}
    return min(every - set(state), default="")


def _check_alike(found: Mapping[str, Any], fresh: Mapping[str, Any], what: str) -> None:
    """Check that every value is of the kind that a new one has."""
    for key, value in found.items():
        # Another schedule may have more periods or restarts.
        any_length = what == "the schedule" and key not in ("base_lrs", "_last_lr")
        if key in fresh and not _is_alike(value, fresh[key], any_length):
            raise ValueError(f"{key} of {what} is {_shown(value)}, where a new one has {_shown(fresh[key])}")
    unknown = [key for key in found if not isinstance(key, str)]
    if unknown:
        raise ValueError(f"{what} has the key {_shown(unknown[0])}")


def _is_alike(value: Any, fresh: Any, any_length: bool = False) -> bool:
    if fresh is None or isinstance(fresh, bool):
        # Flags such as foreach are None until torch decides.
        return value is None or isinstance(value, bool)
    if value is None or isinstance(value, bool):
        return False
    if isinstance(fresh, Real):
        return isinstance(value, Real) and abs(float(value)) < float("inf")
    if isinstance(fresh, Mapping):
        return isinstance(value, Mapping)
    if isinstance(fresh, (list, tuple)):
        alike = isinstance(value, (list, tuple)) and (len(value) == len(fresh) or not fresh or any_length)
        return alike and all(_is_alike(one, other) for one, other in zip(value, fresh, strict=False))
    return isinstance(value, type(fresh))


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
