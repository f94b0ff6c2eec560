"""OMGSR and FluxSR train from their option files, and resume to the bit."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_sr import register

pytest.importorskip("basicsr", reason="training needs BasicSR")
register()

from onestep_runs import check_resume, check_training  # noqa: E402


@pytest.mark.parametrize("system", ["omgsr_s", "omgsr_f", "fluxsr"])
def test_trains_and_improves(
    system: str, taught_backbones: Path, photograph_pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    saved = check_training(system, taught_backbones, photograph_pairs)
    # What was matched on pairs travels with the weights, and nothing that is published does.
    assert saved["spec"]["time"] > 0
    assert all("lora_" in key or key.startswith("prompt.") for key in saved["params"])


@pytest.mark.parametrize("system", ["omgsr_s", "fluxsr"])
def test_resumes_to_the_bit(
    system: str, taught_backbones: Path, photograph_pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    check_resume(system, taught_backbones, photograph_pairs)
