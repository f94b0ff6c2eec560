"""The stopwatch: shares that add up, and a memory that forgets."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch
from helpers.tiny_sr import build, hr_batch, register, sr_options, train
from torch import Tensor

from degflow_aug.models.training.stopwatch import Stopwatch

CPU = torch.device("cpu")


def test_shares_are_those_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 1.0, 1.0, 4.0, 10.0, 11.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(now))
    watch = Stopwatch(CPU)
    for part in ("a", "b", "a"):
        with watch.measure(part):
            pass
    assert watch.share("a") == pytest.approx(2 / 5)


def test_asking_forgets_and_nothing_measured_is_no_share(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 1.0, 0.0, 1.0, 0.0, 3.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(now))
    watch = Stopwatch(CPU)
    assert watch.share("a") == 0
    with watch.measure("a"):
        pass
    assert watch.share("a") == 1
    assert watch.share("a") == 0
    for part in ("a", "b"):
        with watch.measure(part):
            pass
    assert watch.share("c") == 0


def test_memory_is_bounded_and_keeps_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    watch = Stopwatch(CPU, remembered=10)
    for number in range(1000):
        for part, seconds in (("a", 1.0 if number >= 990 else 50.0), ("b", 3.0)):
            with watch.measure(part):
                clock[0] += seconds
    assert {len(kept) for kept in watch._times.values()} == {10}
    assert watch.share("a") == pytest.approx(1 / 4)


def test_what_raises_is_not_counted() -> None:
    watch = Stopwatch(CPU)
    with pytest.raises(KeyError), watch.measure("a"):
        raise KeyError
    assert watch.share("a") == 0


def test_a_degradation_that_takes_time_shows_in_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a clock that only the degradation and the step move: a busy machine changes nothing."""
    pytest.importorskip("basicsr", reason="models need BasicSR")
    register()
    from degflow_aug.degradations.bicubic import Bicubic

    clock = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    model = build(sr_options("fixed", tmp_path), tmp_path)
    train(model, [hr_batch()])
    forward = Bicubic.forward

    def slow(self: Bicubic, hr: Tensor, scale: float) -> Tensor:
        clock[0] += 0.06
        return forward(self, hr, scale)

    step = model.take_step

    def slow_step(current_iter: int) -> dict[str, Tensor]:
        with model.stopwatch.measure("training"):
            clock[0] += 0.02
        return step(current_iter)

    monkeypatch.setattr(model, "take_step", slow_step)
    quick = train(model, [hr_batch()] * 3, start=1)
    monkeypatch.setattr(Bicubic, "forward", slow)
    sleepy = train(model, [hr_batch()] * 3, start=4)
    assert [log["degradation_share"] for log in quick] == [0, 0, 0]
    assert [log["degradation_share"] for log in sleepy] == pytest.approx([0.75, 0.75, 0.75])
