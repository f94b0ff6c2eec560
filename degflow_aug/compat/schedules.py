"""Schedules of the learning rate: long enough for the run, and always those of the option file.

BasicSR 1.4.2 looks a cosine schedule's period up when it needs it, and dies in the middle of a run that has one
iteration more; a run that goes on takes the schedule and the arguments of the optimiser from its training state,
whatever the option file says by then. A warm-up before steps lowers the rate of the whole run. A cosine may have its
full rate at the end of the warm-up, as the official code of DegFlow leaves it.
"""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from degflow_aug.options.basicsr_keys import SCHEDULERS
from degflow_aug.options.nearest_name import nearest_name

_POSITION = ("last_epoch", "verbose")


def check_schedule(train: Mapping[str, Any]) -> None:
    """Look whether ``train.scheduler`` is one of BasicSR's, and lasts for ``train.total_iter``.

    Raises:
        ValueError: it is not, or does not.
    """
    section = train.get("scheduler")
    kind = section.get("type") if isinstance(section, Mapping) else None
    if not isinstance(section, Mapping) or kind not in SCHEDULERS:
        nearest = nearest_name(kind, SCHEDULERS) if isinstance(kind, str) else ""
        raise ValueError(f"expected train.scheduler.type out of {', '.join(SCHEDULERS)}, got {kind!r}{nearest}")
    cosine = kind == "CosineAnnealingRestartLR"
    name, fallback = ("periods", None) if cosine else ("restarts", (0,))
    starts, weights = section.get(name, fallback), section.get("restart_weights", (1,))
    _check_numbers(starts, f"train.scheduler.{name}", 1 if cosine else 0)
    _check_numbers(weights, "train.scheduler.restart_weights", 0)
    if len(starts) != len(weights):
        raise ValueError(
            f"expected as many train.scheduler.restart_weights as {name} ({len(starts)}), got {len(weights)}"
        )
    if cosine and not 1 <= (peak := section.get("peak_iter", 1)) <= starts[0]:
        raise ValueError(
            f"expected train.scheduler.peak_iter from 1 to the end of the first period, {starts[0]:g}, got {peak!r}"
        )
    total = train.get("total_iter")
    # The schedule moves between two iterations, so the last one is one step less.
    if cosine and isinstance(total, (int, float)) and total - 1 > sum(starts):
        raise ValueError(
            f"expected train.scheduler.periods of {total:g} iterations together, as many as train.total_iter, got "
            f"{sum(starts):g}; lengthen the last period, or add one with its restart weight"
        )


def _check_numbers(values: Any, where: str, least: int) -> None:
    numbers = isinstance(values, (list, tuple)) and all(type(each) in (int, float) for each in values)
    if not numbers or not all(each >= least for each in values):
        raise ValueError(f"expected a list of numbers of at least {least} in {where}, got {values!r}")


def is_other_schedule(saved: Mapping[str, Any], fresh: Mapping[str, Any]) -> bool:
    """Tell whether the state of a schedule was made by one with other settings than a new one has."""
    return any(
        key not in saved or key not in fresh or _plain(saved[key]) != _plain(fresh[key])
        for key in {*saved, *fresh}
        if not key.startswith("_") and key not in _POSITION
    )


def replay(model: Any, fresh: Sequence[Mapping[str, Any]], iteration: int) -> None:
    """Bring new schedules and learning rates to where they are after ``iteration``, warm-up included.

    Args:
        model: as BasicSR's, with the schedules and the learning rates of iteration 0 or any others.
        fresh: states of new schedules.
        iteration: the last one that was trained.
    """
    warmup = model.opt["train"].get("warmup_iter", -1)
    for schedule, state in zip(model.schedulers, fresh, strict=True):
        schedule.load_state_dict(dict(state))
        for group, rate in zip(schedule.optimizer.param_groups, state["_last_lr"], strict=True):
            group["lr"] = rate
    with warnings.catch_warnings():
        # The steps of the optimiser that belong to these were taken in an earlier process.
        warnings.filterwarnings("ignore", message=".*lr_scheduler.step")
        for each in range(1, iteration + 1):
            model.update_learning_rate(each, warmup_iter=warmup)


def multi_step_rates(schedule: Any) -> list[float]:
    """``MultiStepRestartLR.get_lr`` as a function of the iteration alone.

    BasicSR multiplies the rate of the step before, so that after a warm-up of W iterations (W - 1) / W of the rate is
    left for good, and milestones within have no effect. Without a warm-up this multiplies the same numbers in the same
    order.
    """
    now = schedule.last_epoch
    restart = max((each for each in schedule.restarts if each <= now), default=-1)
    weight = schedule.restart_weights[schedule.restarts.index(restart)] if restart in schedule.restarts else 1
    rates = [group["initial_lr"] * weight for group in schedule.optimizer.param_groups]
    for milestone in sorted(each for each in schedule.milestones if restart < each <= now):
        rates = [rate * schedule.gamma ** schedule.milestones[milestone] for rate in rates]
    return rates


def patch() -> None:
    """Install these rates in BasicSR's schedules."""
    from basicsr.models.lr_scheduler import CosineAnnealingRestartLR, MultiStepRestartLR

    MultiStepRestartLR.get_lr = multi_step_rates
    if not hasattr(CosineAnnealingRestartLR, "raised"):
        _add_peak(CosineAnnealingRestartLR)


def _add_peak(schedule: Any) -> None:
    """Give BasicSR's cosine schedule an iteration ``peak_iter`` at which it has the full rate, the first by default.

    torch's recursive cosine goes on from the rate that it finds: where a warm-up has left lr for step w, step i > w has
    eta + (lr - eta) (1 + cos(pi (i - 1) / T)) / (1 + cos(pi (w - 1) / T)).
    """
    begin, rates = schedule.__init__, schedule.get_lr

    @functools.wraps(begin)
    def begin_at_peak(
        self: Any, optimizer: Any, periods: Sequence[int], *args: Any, peak_iter: int = 1, **more: Any
    ) -> None:
        if peak_iter != 1:
            self.raised = 2 / (1 + math.cos(math.pi * (peak_iter - 1) / periods[0]))
        begin(self, optimizer, periods, *args, **more)

    def raised_rates(self: Any) -> list[float]:
        found: list[float] = rates(self)
        return found if self.raised == 1 else [self.eta_min + self.raised * (rate - self.eta_min) for rate in found]

    schedule.raised, schedule.__init__, schedule.get_lr = 1.0, begin_at_peak, raised_rates


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
