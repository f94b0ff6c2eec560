"""Training states that do not fit their model are refused when they are read, in one sentence."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import nullcontext
from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import nn

from degflow_aug.compat.state import check_optimizers, checked


class Model:
    """What BasicSR's ``resume_training`` sees of a model, with a state behind it."""

    def __init__(self, kind: Callable[..., torch.optim.Optimizer] = torch.optim.Adam) -> None:
        torch.manual_seed(0)
        self.network = nn.Linear(3, 2)
        self.optimizers = [kind(self.network.parameters(), lr=0.1)]
        self.schedulers: list[Any] = [torch.optim.lr_scheduler.MultiStepLR(self.optimizers[0], [2], 0.5)]
        self.opt = {"path": {"resume_state": "runs/2.state"}}

    def step(self) -> None:
        self.optimizers[0].zero_grad()
        self.network(torch.ones(1, 3)).sum().backward()
        self.optimizers[0].step()
        self.schedulers[0].step()

    def state(self) -> dict[str, Any]:
        parts = {"optimizers": self.optimizers, "schedulers": self.schedulers}
        return {name: [deepcopy(each.state_dict()) for each in part] for name, part in parts.items()}

    @checked
    def resume_training(self, state: dict[str, Any]) -> None:
        for name in ("optimizers", "schedulers"):
            for part, saved in zip(getattr(self, name), state[name], strict=True):
                part.load_state_dict(saved)


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD, torch.optim.RMSprop])
@pytest.mark.parametrize("steps", [0, 1, 3])
def test_a_state_of_the_model_goes_on_as_it_was(kind: type[torch.optim.Optimizer], steps: int) -> None:
    before = Model(kind)
    for _ in range(steps):
        before.step()
    after = Model(kind)
    after.network.load_state_dict(before.network.state_dict())
    after.resume_training(before.state())
    for model in (before, after):
        model.step()
    assert torch.equal(before.network.weight, after.network.weight)


class EightBits(torch.optim.SGD):
    """Has the states of bitsandbytes' AdamW8bit: large weights in 8 bits with their scales, small ones as they are."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        weight, bias = self.param_groups[0]["params"]
        large = {"state1": torch.zeros(2, 3, dtype=torch.uint8), "qmap1": torch.ones(256), "absmax1": torch.ones(1)}
        self.state = {weight: large, bias: {"state1": torch.ones(2)}}


def test_states_of_8_bits_are_left_to_bitsandbytes() -> None:
    Model(EightBits).resume_training(Model(EightBits).state())


@pytest.mark.parametrize(
    ("kind", "before", "after", "missing"),
    [
        ("Adam", {}, {"amsgrad": True}, "max_exp_avg_sq"), ("RMSprop", {}, {"centered": True}, "grad_avg"),
        ("RMSprop", {}, {"momentum": 0.9}, "momentum_buffer"), ("Adam", {"amsgrad": True}, {"amsgrad": True}, ""),
        ("Adam", {"amsgrad": True}, {}, ""), ("SGD", {}, {"momentum": 0.9}, ""), ("Adam", {}, {"maximize": True}, ""),
        ("AdamW8bit", {}, {}, ""),
    ],
)  # fmt: skip
def test_what_an_optimiser_needs_of_a_state(
    kind: str, before: dict[str, Any], after: dict[str, Any], missing: str
) -> None:
    model = Model(functools.partial(getattr(torch.optim, kind, torch.optim.SGD), **before))
    model.step()
    opt = {"num_gpu": 0, "train": {"optim_g": {"type": kind, "lr": 0.1, **after}}}
    refuses = pytest.raises(ValueError, match=f"which takes its {missing}, and") if missing else nullcontext()
    with refuses:
        check_optimizers(opt, model.state())
    for garbage in ([], [{}], [{"state": {0: 3}, "param_groups": [3]}]):
        check_optimizers(opt, {"optimizers": garbage})


def change(state: dict[str, Any], where: tuple[Any, ...], value: Any) -> None:
    for key in where[:-1]:
        state = state[key]
    if value is KeyError:
        del state[where[-1]]
    else:
        state[where[-1]] = value


GROUP, FIRST, SCHEDULE = ("optimizers", 0, "param_groups", 0), ("optimizers", 0, "state", 0), ("schedulers", 0)
CHANGES: list[tuple[tuple[Any, ...], Any]] = [
    ((*GROUP, "lr"), "fast"), ((*GROUP, "lr"), None), ((*GROUP, "lr"), float("nan")), ((*GROUP, "betas"), 0.9),
    ((*GROUP, "betas"), (0.9,)), ((*GROUP, "betas"), ("a", "b")), ((*GROUP, "amsgrad"), 3), ((*GROUP, "params"), []),
    ((*GROUP, "params"), "x"), ((*FIRST, "exp_avg"), torch.zeros(3, 3)), ((*FIRST, "exp_avg"), torch.zeros(2, 3) / 0),
    ((*FIRST, "exp_avg"), "x"), ((*FIRST, "exp_avg"), [1.0]), ((*FIRST, "exp_avg"), KeyError), ((*FIRST, "step"), "x"),
    (("optimizers", 0, "state"), []), (("optimizers", 0), {}), (("optimizers",), []), (("schedulers",), []),
    ((*SCHEDULE, "last_epoch"), "x"), ((*SCHEDULE, "base_lrs"), [1, 2, 3]), ((*SCHEDULE, "base_lrs"), ["x"]),
    ((*SCHEDULE, "milestones"), 3), ((*SCHEDULE, "gamma"), None), ((*SCHEDULE, 3), 3),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(CHANGES)))
def test_what_does_not_fit_is_refused_when_it_is_read(number: int) -> None:
    trained = Model()
    trained.step()
    state = trained.state()
    change(state, *CHANGES[number])
    with pytest.raises(ValueError, match=r"^expected a training state of this model in runs/2\.state, got: [^\n]+$"):
        Model().resume_training(state)
