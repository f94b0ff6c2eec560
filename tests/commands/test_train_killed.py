"""``kill -9`` at random moments of ``degflow train``: after resuming, the run is the uninterrupted one."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from helpers.tiny_camera import stage_options, write_pairs

pytest.importorskip("basicsr", reason="training needs BasicSR")
ITERATIONS = 60
KILLS = 2


def start(folder: Path, options: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "degflow_aug", "train", "-opt", str(options), "--auto_resume"],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def losses(folder: Path) -> dict[int, str]:
    """Logged total loss by iteration; what a killed run had logged beyond its checkpoint is logged again."""
    found: dict[int, str] = {}
    for log in sorted((folder / "experiments" / "rae").glob("train_*.log")):
        for iteration, loss in re.findall(
            r"\[epoch:\s*\d+, iter:\s*([\d,]+).*?total: (\S+)", log.read_text(), flags=re.DOTALL
        ):
            number = int(iteration.replace(",", ""))
            assert found.setdefault(number, loss) == loss
    return found


def test_killed_twice_ends_as_uninterrupted(tmp_path: Path) -> None:
    pairs = tmp_path / "pairs"
    write_pairs(pairs)
    opt = stage_options("rae", pairs, tmp_path, iterations=ITERATIONS)
    opt["logger"]["save_checkpoint_freq"] = 3
    options = tmp_path / "rae.yml"
    options.write_text(yaml.safe_dump(opt), encoding="utf-8")
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()

    began = time.monotonic()
    assert start(whole, options).wait() == 0
    duration = time.monotonic() - began
    chance = random.Random(7)
    for _ in range(KILLS):
        process = start(killed, options)
        time.sleep(duration * chance.uniform(0.4, 0.9))
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert start(killed, options).wait() == 0

    latest = Path("experiments") / "rae" / "models" / "net_g_latest.pth"
    expected, found = (torch.load(folder / latest, weights_only=True) for folder in (whole, killed))
    for kind in ("params", "params_ema"):
        for key, value in expected[kind].items():
            assert torch.equal(value, found[kind][key]), key
    assert losses(whole).keys() == set(range(1, ITERATIONS + 1))
    assert losses(killed).items() <= losses(whole).items()
