"""Schedules that last for the run, and that a run which goes on takes from its options."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.basicsr_experiment import register_recording_dataset, train, write_experiment

from degflow_aug import compat
from degflow_aug.compat.schedules import check_schedule, multi_step_rates

if not compat.has_basicsr():
    pytest.skip("BasicSR is not installed", allow_module_level=True)


def cosine(*periods: float, **more: Any) -> dict[str, Any]:
    """A cosine schedule with a weight of 1 for each period."""
    weights = [1] * len(periods)
    return {"type": "CosineAnnealingRestartLR", "periods": list(periods), "restart_weights": weights, **more}


def steps(*milestones: int, **more: Any) -> dict[str, Any]:
    """A schedule that halves the learning rate at each milestone."""
    return {"type": "MultiStepRestartLR", "milestones": list(milestones), "gamma": 0.5, **more}


@pytest.mark.parametrize(
    "schedule",
    [
        *(cosine(4), cosine(3), cosine(1, 3), cosine(400)),
        *(steps(), steps(2, 400), steps(3, restarts=[0, 2], restart_weights=[1, 1])),
    ],
)
def test_schedules_that_last_for_four_iterations(schedule: dict[str, Any]) -> None:
    check_schedule({"scheduler": schedule, "total_iter": 4})


@pytest.mark.parametrize(
    ("schedule", "sentence"),
    [
        (cosine(2), r"periods of 4 iterations together, .* got 2; lengthen"),
        (cosine(1, 1), r"periods of 4 .* got 2"),
        (cosine(4, restart_weights=[1, 1]), r"as many train\.scheduler\.restart_weights as periods \(1\), got 2"),
        ({"type": "CosineAnnealingRestartLR"}, "a list of numbers of at least 1 in train.scheduler.periods, got None"),
        (cosine(0, 4), r"at least 1 in train\.scheduler\.periods, got \[0, 4\]"),
        (cosine(4, peak_iter=5), r"peak_iter from 1 to the end of the first period, 4, got 5"),
        (cosine(math.nan), "at least 1 in train.scheduler.periods"),
        (steps(2, restarts=[0, 2]), r"as many train\.scheduler\.restart_weights as restarts \(2\), got 1"),
        ({"type": "CosineLR"}, "train.scheduler.type out of MultiStepLR, .*, got 'CosineLR'"),
        (None, "train.scheduler.type out of MultiStepLR, .*, got None"),
    ],
)
def test_schedules_that_do_not(schedule: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        check_schedule({"scheduler": schedule, "total_iter": 4})


def test_basicsr_refuses_a_short_schedule_before_it_writes(tmp_path: Path) -> None:
    compat.patch_training()
    register_recording_dataset()
    with pytest.raises(ValueError, match="periods of 4 iterations"):
        train(write_experiment(tmp_path, train__scheduler=cosine(2)))
    assert not (tmp_path / "experiments").exists()


def rates(folder: Path) -> list[float]:
    """Learning rates in the states of iterations 4 to 6."""
    paths = [folder / f"experiments/tiny/training_states/{iteration}.state" for iteration in (4, 5, 6)]
    states = [torch.load(path, weights_only=True) for path in paths]
    return [state["optimizers"][0]["param_groups"][0]["lr"] for state in states]


CHOICES: dict[str, dict[str, Any]] = {
    "steps": {"train__scheduler": steps(2, 5)},
    "restarts": {"train__scheduler": steps(2, 5, restarts=[0, 3], restart_weights=[1, 0.7])},
    "warm-up": {"train__scheduler": steps(4), "train__warmup_iter": 5},
    "peak": {"train__scheduler": cosine(6, peak_iter=3, eta_min=1e-7), "train__warmup_iter": 3},
    "cosine": {"train__scheduler": cosine(3, 4, eta_min=1e-7), "train__optim_g": {"type": "Adam", "lr": 0.02}},
}


@pytest.mark.parametrize("choice", CHOICES)
def test_a_run_that_goes_on_has_the_rates_of_one_begun_with_its_options(tmp_path: Path, choice: str) -> None:
    """Also one that was begun under a cosine whose period ends with it, and had no warm-up."""
    compat.patch_training()
    register_recording_dataset()
    every = {**CHOICES[choice], "logger__save_checkpoint_freq": 1}
    train(write_experiment(tmp_path / "whole", **every, train__total_iter=6))
    before = {"train__scheduler": cosine(3), "logger__save_checkpoint_freq": 1, "train__total_iter": 3}
    train(write_experiment(tmp_path / "longer", **before))
    train(write_experiment(tmp_path / "longer", **every, train__total_iter=6), "--auto_resume")
    assert rates(tmp_path / "longer") == rates(tmp_path / "whole")


def test_a_peak_that_is_gone_is_another_schedule(tmp_path: Path) -> None:
    compat.patch_training()
    register_recording_dataset()
    every = {"logger__save_checkpoint_freq": 1, "train__scheduler": cosine(6)}
    train(write_experiment(tmp_path / "whole", **every, train__total_iter=6))
    train(write_experiment(tmp_path / "longer", train__scheduler=cosine(6, peak_iter=2), train__total_iter=3))
    train(write_experiment(tmp_path / "longer", **every, train__total_iter=6), "--auto_resume")
    assert rates(tmp_path / "longer") == rates(tmp_path / "whole")


def test_other_arguments_of_an_optimiser_take_effect(tmp_path: Path) -> None:
    compat.patch_training()
    register_recording_dataset()
    for decay, total in ((0.0, 2), (0.1, 4)):
        optimizer = {"type": "Adam", "lr": 1e-3, "weight_decay": decay, "betas": [0.9, 0.99 - decay]}
        train(write_experiment(tmp_path, train__optim_g=optimizer, train__total_iter=total), "--auto_resume")
    state = torch.load(tmp_path / "experiments/tiny/training_states/4.state", weights_only=True)
    group = state["optimizers"][0]["param_groups"][0]
    assert (group["weight_decay"], list(group["betas"])) == (0.1, [0.9, 0.89])


@pytest.mark.parametrize("scheduler", [None, cosine(2)])
def test_a_model_of_another_project_may_have_no_schedule(tmp_path: Path, scheduler: dict[str, Any] | None) -> None:
    compat.patch_training()
    from basicsr.models.sr_model import SRModel
    from basicsr.utils.registry import MODEL_REGISTRY

    if "UnscheduledModel" not in MODEL_REGISTRY:
        MODEL_REGISTRY.register(type("UnscheduledModel", (SRModel,), {"setup_schedulers": lambda self: None}))
    register_recording_dataset()
    train(write_experiment(tmp_path, model_type="UnscheduledModel", train__scheduler=scheduler))
    assert (tmp_path / "experiments/tiny/models/net_g_latest.pth").is_file()


STEPS = [
    steps(), steps(2, 7), steps(3, 3, 9), steps(2, 6, 8, restarts=[0, 5], restart_weights=[1, 0.3]),
    steps(0, 4, restarts=[3, 6], restart_weights=[0.7, 2]), steps(4, restarts=[0, 4], restart_weights=[1, 0.1]),
]  # fmt: skip


def rates_of(schedule: dict[str, Any], warmup: int, patched: bool, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Learning rates of twelve iterations, as BasicSR's models move them."""
    from basicsr.models.base_model import BaseModel
    from basicsr.models.lr_scheduler import MultiStepRestartLR

    # A fresh copy of BasicSR's module, which nobody has patched.
    spec = importlib.util.find_spec("basicsr.models.lr_scheduler")
    assert spec is not None
    assert spec.loader is not None
    fresh = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fresh)
    rates = multi_step_rates if patched else fresh.MultiStepRestartLR.get_lr
    monkeypatch.setattr(MultiStepRestartLR, "get_lr", rates)
    model = BaseModel({"num_gpu": 0, "is_train": True, "train": {"scheduler": dict(schedule)}})
    model.optimizers = [torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.3)]
    model.setup_schedulers()
    found = []
    for iteration in range(1, 13):
        model.update_learning_rate(iteration, warmup_iter=warmup)
        model.optimizers[0].step()
        found += model.get_current_learning_rate()
    return found


@pytest.mark.parametrize("schedule", STEPS)
def test_steps_without_a_warm_up_are_basicsrs_to_the_bit(
    schedule: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rates_of(schedule, -1, True, monkeypatch) == rates_of(schedule, -1, False, monkeypatch)


@pytest.mark.parametrize("schedule", STEPS)
@pytest.mark.parametrize("warmup", [1, 2, 5, 8])
def test_steps_after_a_warm_up_are_those_without_one(
    schedule: dict[str, Any], warmup: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = rates_of(schedule, warmup, True, monkeypatch)
    assert found[warmup - 1 :] == rates_of(schedule, -1, False, monkeypatch)[warmup - 1 :]
    assert found[: warmup - 1] == pytest.approx([0.3 * step / warmup for step in range(1, warmup)])


def test_a_cosine_has_its_full_rate_at_its_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    """As torch's, which goes on from the rate that a warm-up has left."""
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=0.3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 20, 1e-3)
    expected = []
    for step in range(1, 13):
        if step <= 5:
            optimizer.param_groups[0]["lr"] = 0.3 * step / 5
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    found = rates_of(cosine(20, eta_min=1e-3, peak_iter=5), 5, True, monkeypatch)
    assert found == pytest.approx(expected, rel=1e-12)
    assert found[4] == pytest.approx(0.3)
