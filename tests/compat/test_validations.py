"""A run validates each iteration once, makes up for a validation that was broken off, and ends once."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
from helpers.basicsr_experiment import register_recording_dataset, train, write_experiment

from degflow_aug import compat
from degflow_aug.commands.shared.invocation import logged_messages
from degflow_aug.files.run_history import HISTORY, read_history

if not compat.has_basicsr():
    pytest.skip("BasicSR is not installed", allow_module_level=True)

VAL = {"val_freq": 2, "metrics": {"psnr": {"type": "calculate_psnr", "crop_border": 2}}}


@pytest.fixture
def validated(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Iterations of the validations that came to their end; those of ``broken`` do not."""
    compat.patch_training()
    register_recording_dataset()
    from basicsr.models.sr_model import SRModel

    validation, seen = SRModel.nondist_validation, []

    def record(self: Any, loader: Any, iteration: int, *rest: Any) -> None:
        if iteration in broken:
            raise KeyboardInterrupt
        validation(self, loader, iteration, *rest)
        seen.append(iteration)

    monkeypatch.setattr(SRModel, "nondist_validation", record)
    broken.clear()
    return seen


broken: set[int] = set()


@pytest.mark.parametrize(("total", "expected"), [(4, [2, 4]), (5, [2, 4, 6]), (1, [2]), (2, [2])])
def test_the_last_validation_comes_once(tmp_path: Path, validated: list[Any], total: int, expected: list[int]) -> None:
    """At the end BasicSR counts one iteration too many."""
    train(write_experiment(tmp_path, val=VAL, train__total_iter=total))
    assert validated == expected


@pytest.mark.parametrize("iteration", [2, 4])
def test_a_validation_that_was_broken_off_is_made_up_for(tmp_path: Path, validated: list[Any], iteration: int) -> None:
    options = write_experiment(tmp_path, val=VAL, train__total_iter=6)
    broken.add(iteration)
    with pytest.raises(KeyboardInterrupt):
        train(options)
    broken.clear()
    assert validated == list(range(2, iteration, 2))
    with warnings.catch_warnings():
        # No state is passed over for an older one.
        warnings.filterwarnings("error", message=".*trying the next older")
        train(options, "--auto_resume")
    assert validated == [2, 4, 6]


def test_a_validation_that_came_to_its_end_is_not_repeated(tmp_path: Path, validated: list[Any]) -> None:
    train(write_experiment(tmp_path, val=VAL, train__total_iter=2))
    train(write_experiment(tmp_path, val=VAL, train__total_iter=4), "--auto_resume")
    assert validated == [2, 4]


def test_a_finished_run_is_left_as_it_is(
    tmp_path: Path, validated: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """Its end lies behind its last state, which BasicSR would go on from."""
    options = write_experiment(tmp_path, val=VAL, train__total_iter=3)
    train(options)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "experiments").rglob("*")}
    train(options, "--auto_resume")
    assert "nothing to do" in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "experiments").rglob("*")} == before
    train(write_experiment(tmp_path, val=VAL, train__total_iter=5), "--auto_resume")
    recorded = read_history(tmp_path / "experiments/tiny" / HISTORY)
    assert [point.iteration for point in recorded.points] == [1, 2, 3, 4, 5]
    assert sorted(mark.iteration for mark in recorded.marks if not mark.what) == [5]


def test_a_run_cannot_end_before_its_state(tmp_path: Path, validated: list[Any]) -> None:
    train(write_experiment(tmp_path, train__total_iter=4))
    (tmp_path / "experiments/tiny" / HISTORY).unlink()
    with pytest.raises(ValueError, match=r"expected train\.total_iter of at least 4, the iteration of .*, got 3"):
        train(write_experiment(tmp_path, train__total_iter=3), "--auto_resume")


def test_the_time_left_is_never_below_zero(tmp_path: Path, validated: list[Any]) -> None:
    with logged_messages("[tiny..]") as logged:
        train(write_experiment(tmp_path, train__total_iter=3))
    assert ["[eta: 0:00:0" in message for message in logged] == [True] * 3
