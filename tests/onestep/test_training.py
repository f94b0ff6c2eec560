"""OMGSR and FluxSR train from their option files, and resume to the bit."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.tiny_sr import register

pytest.importorskip("basicsr", reason="training needs BasicSR")
register()

from helpers.onestep_runs import check_resume, check_training  # noqa: E402

from benchmarks.onestep.tiny import OPTIONS, run, tiny_options  # noqa: E402
from degflow_aug.cli import main  # noqa: E402
from degflow_aug.files.run_history import HISTORY, read_history  # noqa: E402
from degflow_aug.options.yaml_file import load_yaml  # noqa: E402


@pytest.mark.parametrize("system", ["omgsr_s", "omgsr_f", "fluxsr"])
def test_trains_and_improves(
    system: str, taught_backbones: Path, photograph_pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    saved = check_training(system, taught_backbones, photograph_pairs)
    # What was matched on pairs travels with the weights, and nothing that is published does.
    assert saved["spec"]["time"] > 0
    assert all("lora_" in key or key.startswith("prompt.") for key in saved["params"])


@pytest.mark.parametrize("system", ["omgsr_s", "omgsr_f", "fluxsr"])
def test_resumes_to_the_bit(
    system: str, taught_backbones: Path, photograph_pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    check_resume(system, taught_backbones, photograph_pairs)


def test_fluxsr_trains_on_trajectories(
    tiny_backbones: Path, photograph_pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As its option file says, on what the command makes."""
    monkeypatch.chdir(tmp_path)
    words = ["--pretrained", str(tiny_backbones / "flux"), "--count", "2", "--size", "64", "--steps", "1"]
    assert main(["trajectories", "flux", *words, "--device", "cpu"]) == 0
    opt = tiny_options("fluxsr", tiny_backbones, photograph_pairs)
    published = load_yaml(OPTIONS / "onestep_fluxsr.yml")["datasets"]["train"]
    opt["datasets"]["train"] = {**published, "dataroot_gt": "flux", "gt_size": 32, "num_worker_per_gpu": 0}
    opt["datasets"]["train"] |= {"batch_size_per_gpu": 2, "dataset_enlarge_ratio": 4}
    opt["val"]["val_freq"] = 1000
    experiment = run(opt, 3)
    losses = [point.losses for point in read_history(experiment / HISTORY).points]
    assert [sorted(each) for each in losses] == [["degradation_share", "l_adl", "l_ftd", "l_pix", "total"]] * 3
