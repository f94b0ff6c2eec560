"""What the trainings of one-step systems have to show, whichever system it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from benchmarks.onestep.tiny import run, tiny_options
from degflow_aug.files.run_history import HISTORY, read_history

STEPS = 200


def with_stage_1(system: str, backbones: Path, images: Path, steps: int) -> dict[str, Any]:
    """Options of a system; of the second stage of FlowSR with a teacher of ``steps`` steps."""
    if system != "flowsr_2":
        return tiny_options(system, backbones, images)
    first = tiny_options("flowsr_1", backbones, images)
    first["train"]["total_iter"] = first["val"]["val_freq"] = first["logger"]["save_checkpoint_freq"] = steps
    return tiny_options(system, backbones, images, teacher=run(first, steps).name)


def checkpoint(experiment: Path, steps: int, label: str = "net_g") -> dict[str, Any]:
    """What was saved at ``steps``."""
    return torch.load(experiment / "models" / f"{label}_{steps}.pth", weights_only=True)


def psnr_at(experiment: Path, steps: int) -> float:
    """Mean over the validation pairs, which are of one scale."""
    file = experiment / "validation" / f"RealSR_{steps}.json"
    return json.loads(file.read_text(encoding="utf-8"))["mean"]["psnr"]


def check_training(system: str, backbones: Path, images: Path) -> dict[str, Any]:
    """Train in the current folder: the loss falls, the validation improves; the last checkpoint."""
    opt = with_stage_1(system, backbones, images, steps=50)
    experiment = run(opt, 1)
    opt["val"]["val_freq"] = opt["logger"]["save_checkpoint_freq"] = STEPS
    run(opt, STEPS, "--auto_resume")
    losses = [point.losses["total"] for point in read_history(experiment / HISTORY).points]
    assert len(losses) == STEPS
    assert sum(losses[-20:]) < 0.9 * sum(losses[:20])
    assert psnr_at(experiment, STEPS) > psnr_at(experiment, 1)
    return checkpoint(experiment, STEPS)


def check_resume(system: str, backbones: Path, images: Path, steps: int = 4) -> None:
    """Half a run and the other half are the whole run, to the bit: network, discriminator, target and optimisers."""
    opt = with_stage_1(system, backbones, images, steps=1)
    opt["val"]["val_freq"] = 1000
    whole = run({**opt, "name": "whole"}, steps)
    run({**opt, "name": "halves"}, steps // 2)
    halves = run({**opt, "name": "halves"}, steps, "--auto_resume")
    labels = ["net_g", *(["net_d"] if "network_d" in opt else [])]
    for label in labels:
        assert same(checkpoint(whole, steps, label), checkpoint(halves, steps, label)), label
    states = [torch.load(each / f"training_states/{steps}.state", weights_only=True) for each in (whole, halves)]
    assert same(states[0]["optimizers"], states[1]["optimizers"])


def same(first: Any, second: Any) -> bool:
    """Whether two nested values are equal, tensors to the bit."""
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    if isinstance(first, (list, tuple)):
        return len(first) == len(second) and all(map(same, first, second))
    return bool(first == second)
