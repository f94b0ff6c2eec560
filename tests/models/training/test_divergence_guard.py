from __future__ import annotations

import math

import numpy as np
import pytest

from degflow_aug.models.training.divergence_guard import DivergenceGuard, TrainingDiverged


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
