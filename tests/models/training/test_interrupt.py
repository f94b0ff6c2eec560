"""Signals between two steps, sent for real, and losses that end training."""

from __future__ import annotations

import math
import os
import signal
import threading
from collections.abc import Iterator

import numpy as np
import pytest

from degflow_aug.models.training import interrupt
from degflow_aug.models.training.interrupt import DivergenceGuard, Interrupt, TrainingDiverged, stop


@pytest.fixture
def taken() -> Iterator[Interrupt]:
    """An installed interrupt, uninstalled after the test."""
    handler = Interrupt()
    handler.install()
    yield handler
    handler.uninstall()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_remembered(taken: Interrupt, number: int, capfd: pytest.CaptureFixture[str]) -> None:
    assert taken.requested() is None
    os.kill(os.getpid(), number)
    assert taken.requested() == number
    assert "saving after this step" in capfd.readouterr().err


def test_a_second_ctrl_c_stops_at_once(taken: Interrupt) -> None:
    os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_after_sigterm_stops_at_once(taken: Interrupt) -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_torchruns_sigterm_after_the_first_signal_changes_nothing(taken: Interrupt, first: int) -> None:
    os.kill(os.getpid(), first)
    os.kill(os.getpid(), signal.SIGTERM)
    assert taken.requested() == first


def test_installing_again_forgets_and_uninstalling_gives_back() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    handler = Interrupt()
    handler.install()
    os.kill(os.getpid(), signal.SIGTERM)
    handler.install()
    assert handler.requested() is None
    handler.uninstall()
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_another_thread_leaves_signals_alone() -> None:
    before = signal.getsignal(signal.SIGINT)
    handler = Interrupt()
    thread = threading.Thread(target=handler.install)
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGINT) is before
    handler.uninstall()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_a_forked_worker_ignores_ctrl_c_and_ends_on_sigterm(taken: Interrupt, number: int, code: int) -> None:
    child = os.fork()
    if child == 0:
        try:
            os.kill(os.getpid(), number)
            os._exit(0)
        except SystemExit as end:
            os._exit(int(str(end.code)))
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == code
    assert taken.requested() is None


def test_workers_that_end_with_it_do_not_break_off_the_step() -> None:
    ends: list[int] = []
    before = signal.signal(signal.SIGCHLD, lambda number, frame: ends.append(number))
    handler = Interrupt()
    handler.install()
    try:
        for expected in (1, 1):
            child = os.fork()
            if child == 0:
                os._exit(0)
            os.waitpid(child, 0)
            assert len(ends) == expected
            if handler.requested() is None:
                os.kill(os.getpid(), signal.SIGTERM)
        handler.uninstall()
        assert signal.getsignal(signal.SIGCHLD) not in (signal.SIG_DFL, None)
    finally:
        handler.uninstall()
        signal.signal(signal.SIGCHLD, before)


def test_what_a_stopped_program_raises() -> None:
    assert isinstance(stop(signal.SIGINT), KeyboardInterrupt)
    end = stop(signal.SIGTERM)
    assert isinstance(end, SystemExit)
    assert end.code == 143


def test_the_module_has_one_of_its_own() -> None:
    interrupt.install()
    try:
        assert interrupt.requested() is None
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupt.requested() == signal.SIGINT
    finally:
        interrupt.uninstall()


@pytest.mark.parametrize(("number", "end"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)])
def test_work_with_nothing_to_save_is_stopped_where_it_asks(
    taken: Interrupt, number: int, end: type[BaseException]
) -> None:
    taken.check()
    os.kill(os.getpid(), number)
    with pytest.raises(end):
        taken.check()


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_no_number_stops_at_once(loss: float) -> None:
    guard = DivergenceGuard()
    guard.check(0.5, 1)
    with pytest.raises(
        TrainingDiverged, match=r"expected a finite loss, got -?(nan|inf) at iteration 2; lower train.optim_g.lr"
    ):
        guard.check(loss, 2)
    with pytest.raises(TrainingDiverged):
        DivergenceGuard().check(loss, 1)


def test_the_error_is_one_that_the_command_line_prints() -> None:
    assert issubclass(TrainingDiverged, ValueError)


def test_a_loss_that_runs_away_stops_after_its_patience() -> None:
    guard = DivergenceGuard(factor=10, patience=5)
    for iteration in range(100):
        guard.check(1.0, iteration)
    for iteration in range(100, 104):
        guard.check(11.0, iteration)
    with pytest.raises(TrainingDiverged, match="best of 1, got 11 at iteration 104 after 5 losses more than 10 times"):
        guard.check(11.0, 104)


def test_single_spikes_are_forgiven() -> None:
    guard = DivergenceGuard(factor=10, patience=3)
    for iteration in range(300):
        guard.check(1e6 if iteration % 3 == 0 and iteration else 1.0, iteration)
    assert guard.far == 0


def test_a_noisy_loss_that_falls_by_orders_of_magnitude_is_healthy() -> None:
    guard, rng = DivergenceGuard(), np.random.default_rng(0)
    for iteration in range(5000):
        guard.check(float(np.exp(-iteration / 700) * rng.lognormal(0, 1)), iteration)


def test_the_first_loss_is_no_standard_for_a_better_one() -> None:
    guard = DivergenceGuard(factor=2, patience=1, smoothing=1.0)
    for loss in (100.0, 1.0, 1.9):
        guard.check(loss, 0)
    with pytest.raises(TrainingDiverged):
        guard.check(2.1, 3)


def test_a_loss_at_zero_may_move() -> None:
    guard = DivergenceGuard(patience=1)
    for loss in (0.0, 1e-8, 0.0, 1e-7):
        guard.check(loss, 0)
