"""Both stages of FlowSR train from their option files, and resume to the bit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny_sr import register

pytest.importorskip("basicsr", reason="training needs BasicSR")
register()

from onestep_runs import check_resume, check_training, checkpoint  # noqa: E402
from tiny_onestep import run, tiny_options  # noqa: E402


@pytest.mark.parametrize("system", ["flowsr_1", "flowsr_2"])
def test_trains_and_improves(
    system: str, taught_backbones: Path, photograph_pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    saved = check_training(system, taught_backbones, photograph_pairs)
    assert saved["spec"]["time"] == 1
    assert ("target" in saved and "heads" in saved) is (system == "flowsr_2")


def test_resumes_to_the_bit(
    taught_backbones: Path, photograph_pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    check_resume("flowsr_2", taught_backbones, photograph_pairs)


def test_the_target_is_the_average_of_the_student(
    taught_backbones: Path, photograph_pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After one step: decay times the teacher, which both start from, and the rest of the student."""
    monkeypatch.chdir(tmp_path)
    first = tiny_options("flowsr_1", taught_backbones, photograph_pairs)
    first["val"]["val_freq"] = 1000
    teacher = checkpoint(run(first, 1), 1)["params"]
    second = tiny_options("flowsr_2", taught_backbones, photograph_pairs, teacher=first["name"])
    second["val"]["val_freq"] = 1000
    saved = checkpoint(run(second, 1), 1)
    for key, average in saved["target"].items():
        assert torch.allclose(average, 0.95 * teacher[key] + 0.05 * saved["params"][key], atol=1e-7), key
    assert any(not torch.equal(teacher[key], saved["params"][key]) for key in teacher)
