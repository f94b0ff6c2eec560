"""BasicSR's own models save and stop after a step that a signal came in, and go on from there."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.basicsr_experiment import register_recording_dataset, write_experiment

import degflow_aug
from degflow_aug.cli import main

pytest.importorskip("basicsr", reason="training needs BasicSR")
degflow_aug.register()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("where", ["feed_data", "nondist_validation"])
def test_a_signal_ends_the_run_after_the_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, number: int, code: int
) -> None:
    """One that comes in a validation waits for its end, and the step after it."""
    from basicsr.models.sr_model import SRModel

    register_recording_dataset()
    monkeypatch.chdir(tmp_path)
    val = {"val_freq": 2, "metrics": {"psnr": {"type": "calculate_psnr", "crop_border": 2}}}
    # The crop is the whole image, so that nothing but the order is random.
    changes = {"val": val, "datasets__train__use_hflip": False, "datasets__train__gt_size": 20, "train__total_iter": 5}
    options = str(write_experiment(tmp_path, **changes))
    assert main(["train", "-opt", options, "--force_yml", "name=whole"]) == 0
    inner, calls = getattr(SRModel, where), 0

    def send(self: Any, *arguments: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 1 + (where == "feed_data"):
            os.kill(os.getpid(), number)
        inner(self, *arguments)

    monkeypatch.setattr(SRModel, where, send)
    assert main(["train", "-opt", options]) == code
    states = tmp_path / "experiments/tiny/training_states"
    newest = max(int(path.stem) for path in states.iterdir())
    assert newest == (2 if where == "feed_data" else 3)
    assert main(["train", "-opt", options, "--auto_resume"]) == 0
    ends = [tmp_path / f"experiments/{name}/models/net_g_latest.pth" for name in ("whole", "tiny")]
    whole, resumed = (torch.load(path, weights_only=True)["params"] for path in ends)
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)
