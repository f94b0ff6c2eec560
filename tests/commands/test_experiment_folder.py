"""The folder of an experiment: one run writes it, and an earlier one comes back where the next fails at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from degflow_aug.commands.train.train_command import _sole_trainer, restored_on_failure
from degflow_aug.files.run_history import HISTORY, RunHistory


def start(folder: Path) -> None:
    """What BasicSR does to a folder of the name."""
    if folder.exists():
        folder.rename(folder.with_name(f"{folder.name}_archived_20260102_000000"))
    (folder / "training_states").mkdir(parents=True)


def content(root: Path) -> dict[str, list[str]]:
    return {path.name: sorted(file.name for file in path.glob("*.txt")) for path in sorted(root.iterdir())}


@pytest.mark.parametrize(
    ("saves", "error", "restored"), [(False, ValueError, True), (True, ValueError, False), (False, None, False)]
)
def test_it_comes_back_only_where_nothing_was_saved(
    tmp_path: Path, saves: bool, error: Callable[[], Exception] | None, restored: bool
) -> None:
    run = tmp_path / "a[b]"
    start(run)
    (run / "old.txt").touch()
    (tmp_path / "a[b]_archived_20250101_000000").mkdir()

    def fail() -> None:
        with restored_on_failure([run, tmp_path / "absent"], run / "training_states"):
            start(run)
            (run / "new.txt").touch()
            if saves:
                (run / "training_states" / "1.state").touch()
            if error is not None:
                raise error()

    if error is None:
        fail()
    else:
        with pytest.raises(ValueError):  # noqa: PT011
            fail()
    older = {"a[b]_archived_20250101_000000": []}
    if restored:
        assert content(tmp_path) == {"a[b]": ["old.txt"], **older, "a[b]_failed_20260102_000000": ["new.txt"]}
    else:
        assert content(tmp_path) == {"a[b]": ["new.txt"], **older, "a[b]_archived_20260102_000000": ["old.txt"]}


@pytest.mark.parametrize("trained", [False, True])
def test_without_an_earlier_run_what_was_trained_stays(trained: bool, tmp_path: Path) -> None:
    run = tmp_path / "run"

    def fail() -> None:
        with restored_on_failure([run], run / "training_states"):
            start(run)
            history = RunHistory(run / HISTORY)
            history.start(0, "degflow train", "a CPU")
            if trained:
                history.add(100, 5.0, {"total": 1.0})
            raise ValueError("late")

    with pytest.raises(ValueError, match="late"):
        fail()
    assert list(content(tmp_path)) == ["run"] * trained


@pytest.mark.parametrize(
    ("launcher", "environment", "locks"),
    [
        ("none", {}, True),
        ("none", {"RANK": "1"}, True),
        ("none", {"RANK": "1", "WORLD_SIZE": "1"}, True),
        ("none", {"RANK": "", "WORLD_SIZE": "2"}, True),
        ("none", {"SLURM_PROCID": "1", "LOCAL_RANK": "1"}, True),
        ("none", {"RANK": "1", "WORLD_SIZE": "2"}, False),
        ("pytorch", {"RANK": "0", "WORLD_SIZE": "2"}, True),
        ("slurm", {"SLURM_PROCID": "0"}, True),
        ("slurm", {"SLURM_PROCID": "3"}, False),
    ],
)
def test_the_processes_of_one_run_are_one_writer(
    launcher: str, environment: dict[str, str], locks: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with _sole_trainer(tmp_path / "experiments" / "tiny", launcher):
        assert (tmp_path / "experiments" / ".tiny.lock").exists() is locks
    assert not (tmp_path / "experiments" / ".tiny.lock").exists()
