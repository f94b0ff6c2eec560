"""Which training state a run continues from."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from degflow_aug import compat
from degflow_aug.compat.resume import (
    find_resume_state,
    prepare_folders,
    rename_in_a_second_of_its_own,
    restore_best_metrics,
)


def write_state(opt: dict[str, Any], iteration: int, **more: Any) -> Path:
    """A training state with the networks that belong to it."""
    folder = Path(opt["path"]["training_states"])
    schedulers = [{"milestones": Counter([5]), "last_epoch": iteration}]
    state = {"epoch": 0, "iter": iteration, "optimizers": [{"state": {}}], "schedulers": schedulers, **more}
    torch.save(state, folder / f"{iteration}.state")
    for label in ("g", "d"):
        torch.save({"params": {"w": torch.ones(3)}}, Path(opt["path"]["models"], f"net_{label}_{iteration}.pth"))
    return folder / f"{iteration}.state"


@pytest.fixture
def opt(tmp_path: Path) -> dict[str, Any]:
    """Options of an experiment with states at 5, 20 and 100."""
    path = {name: str(tmp_path / "tiny" / name) for name in ("models", "training_states", "visualization")}
    path["experiments_root"] = str(tmp_path / "tiny")
    options = {"auto_resume": True, "rank": 0, "path": path, "network_g": {}, "network_d": {}}
    prepare_folders(options)
    for iteration in (5, 20, 100):
        write_state(options, iteration)
    return options


def found(opt: dict[str, Any]) -> int | None:
    result = find_resume_state(opt)
    return None if result is None else result[1]["iter"]


def test_newest_by_number_not_by_name(opt: dict[str, Any]) -> None:
    assert found(opt) == 100


def test_partial_and_foreign_files_are_ignored(opt: dict[str, Any]) -> None:
    folder = Path(opt["path"]["training_states"])
    for name in ("200.state.partial", ".300.state", "latest.state", "400.state.tmp", "500.txt"):
        (folder / name).write_bytes(b"half")
    assert found(opt) == 100


@pytest.mark.parametrize("keep", [0, 1, 100, -1])
def test_damaged_state_falls_back_to_the_next_older(opt: dict[str, Any], keep: int) -> None:
    path = Path(opt["path"]["training_states"], "100.state")
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.warns(UserWarning, match=r"100\.state.*trying the next older training state"):
        assert found(opt) == 20


@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_state_without_its_networks_falls_back(opt: dict[str, Any], damage: str) -> None:
    path = Path(opt["path"]["models"], "net_d_100.pth")
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-30])
    with pytest.warns(UserWarning, match=r"net_d_100\.pth"):
        assert found(opt) == 20


def test_networks_that_resuming_ignores_are_not_needed(opt: dict[str, Any]) -> None:
    Path(opt["path"]["models"], "net_d_100.pth").unlink()
    opt["path"]["ignore_resume_networks"] = ["network_d"]
    assert found(opt) == 100


def test_content_that_is_no_training_state_falls_back(opt: dict[str, Any]) -> None:
    torch.save({"params": {}}, Path(opt["path"]["training_states"], "100.state"))
    with pytest.warns(UserWarning, match="expected epoch, iter, optimizers, schedulers"):
        assert found(opt) == 20


def test_nothing_usable_is_an_error_and_not_a_fresh_start(opt: dict[str, Any]) -> None:
    for path in Path(opt["path"]["training_states"]).iterdir():
        path.write_bytes(b"")
    with (
        pytest.warns(UserWarning, match="trying the next older"),
        pytest.raises(ValueError, match=r"100\.state, which is damaged, .*; no other training state can be used"),
    ):
        find_resume_state(opt)


def test_no_states_is_a_fresh_start(opt: dict[str, Any]) -> None:
    for path in Path(opt["path"]["training_states"]).iterdir():
        path.unlink()
    assert find_resume_state(opt) is None
    opt["path"]["training_states"] += "-absent"
    assert find_resume_state(opt) is None


def test_states_of_a_renamed_experiment_are_no_fresh_start(opt: dict[str, Any]) -> None:
    experiment = Path(opt["path"]["experiments_root"])
    (experiment.parent / "tiny_archived_20260102_000000" / "training_states").mkdir(parents=True)
    experiment.rename(experiment.parent / "tiny_archived_20260101_000000")
    with pytest.raises(ValueError, match=r"are some in .*tiny_archived_20260101_000000; rename that folder to tiny"):
        find_resume_state(opt)
    assert find_resume_state({**opt, "auto_resume": False}) is None


def test_folders_renamed_in_one_second_have_names_of_their_own(opt: dict[str, Any]) -> None:
    pytest.importorskip("basicsr", reason="its clock names the folders")
    experiment = Path(opt["path"]["experiments_root"])
    for number in range(3):
        (experiment / f"{number}.txt").touch()
        rename_in_a_second_of_its_own(experiment)
        assert list(experiment.iterdir()) == []
    archives = sorted(experiment.parent.glob("tiny_archived_*"))
    assert [path.name for archive in archives for path in archive.glob("*.txt")] == ["0.txt", "1.txt", "2.txt"]


def test_explicit_state(opt: dict[str, Any]) -> None:
    opt["path"]["resume_state"] = str(Path(opt["path"]["training_states"], "20.state"))
    assert found(opt) == 100
    assert found({**opt, "auto_resume": False}) == 20
    assert find_resume_state({**opt, "auto_resume": False, "path": {}}) is None


@pytest.mark.parametrize("name", ["absent.state", "20.state"])
def test_explicit_state_that_cannot_be_used_is_an_error(opt: dict[str, Any], name: str) -> None:
    Path(opt["path"]["training_states"], "20.state").write_bytes(b"half")
    path = Path(opt["path"]["training_states"], name)
    with pytest.raises(ValueError, match=f"expected a checkpoint.*{name}"):
        find_resume_state({**opt, "auto_resume": False, "path": {**opt["path"], "resume_state": str(path)}})


def test_numpy_scalars_are_refused_and_named(opt: dict[str, Any]) -> None:
    write_state(opt, 200, loss=np.float64(1))
    with pytest.warns(UserWarning, match=r"200\.state"):
        assert found(opt) == 100


@pytest.mark.skipif(not compat.has_basicsr(), reason="BasicSR is not installed")
def test_best_metrics_come_back() -> None:
    compat.patch_training()
    from basicsr.models.base_model import BaseModel

    opt = {"num_gpu": 0, "is_train": True, "val": {"metrics": {"psnr": {"better": "higher"}}}}
    records = {
        "val": {"psnr": {"better": "higher", "val": 31.0, "iter": 10}},
        "changed": {"ssim": {"better": "higher", "val": 0.9, "iter": 10}},
    }
    model = BaseModel(opt)
    model.resume_training({"optimizers": [], "schedulers": [], "best_metric_results": records})
    for name in ("val", "changed"):
        model._initialize_best_metric_results(name)
    model._update_best_metric_result("val", "psnr", 30.0, 20)
    assert model.best_metric_results["val"]["psnr"] == {"better": "higher", "val": 31.0, "iter": 10}
    assert model.best_metric_results["changed"] == {"psnr": {"better": "higher", "val": float("-inf"), "iter": -1}}


def test_states_without_best_metrics_leave_the_model_alone() -> None:
    model = SimpleNamespace(opt={"val": None})
    restore_best_metrics(model, {"best_metric_results": {"val": {"psnr": {}}}})
    restore_best_metrics(model, {})
    assert not hasattr(model, "best_metric_results")


def test_what_a_killed_run_left_half_written_is_removed(opt: dict[str, Any]) -> None:
    kept, half = Path(opt["path"]["models"], "net_g_100.pth"), Path(opt["path"]["models"], ".net_g_120.pth.77.partial")
    half.write_bytes(b"half")
    prepare_folders({**opt, "rank": 1})
    assert half.exists()
    prepare_folders(opt)
    assert kept.exists()
    assert not half.exists()
