"""One-step systems trained from their option files, on tiny backbones and on DegFlow's LR made on the fly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import yaml

from degflow_aug.cli import main
from degflow_aug.run_history import HISTORY, read_history
from degflow_aug.yaml_options import load_yaml

OPTIONS = Path(__file__).resolve().parents[1] / "basicsr_options"
STEPS = 200


def tiny_options(system: str, backbones: Path, images: Path, **degflow: Any) -> dict[str, Any]:
    """The option file of a system with a tiny backbone, small crops and steps for it; no weights of VGG16."""
    opt = load_yaml(OPTIONS / f"onestep_{system}.yml")
    flux = opt["network_g"]["type"] == "OneStepFlux"
    opt["num_gpu"] = 0
    opt["network_g"] |= {"pretrained": str(backbones / ("flux" if flux else "sd")), "rank": 4, "dtype": "float32"}
    if opt["network_g"].get("encoder_rank"):
        opt["network_g"]["encoder_rank"] = 4
    opt["network_g"]["gradient_checkpointing"] = False
    opt["degradation"] |= {"bundle": "simulator", "noise": 0.0}
    opt["datasets"]["train"] = {
        "name": "train", "type": "HRCropDataset", "dataroot_gt": str(images / "hr"), "gt_size": 32, "use_hflip": True,
        "use_rot": False, "num_worker_per_gpu": 0, "batch_size_per_gpu": 2, "dataset_enlarge_ratio": 10,
    }  # fmt: skip
    pattern = {"hr": "HR/{id}.png", "views": {4: "x4/{id}.png"}}
    opt["datasets"]["val"] |= {"dataroot_gt": str(images / "pairs"), "layout": "pattern", "pattern": pattern}
    # Colours of LR would hide what the network learns of them.
    opt["degflow"] |= {"amp": "none", "accumulate": 1, "preview_freq": 0, "colour_fix": "none"}
    if "match_pairs" in opt["degflow"]:
        opt["degflow"]["match_pairs"] = 4
    if opt["degflow"].get("stage") == 2:
        # Random judges know nothing of images: they speak, but softly.
        opt["degflow"] |= {"caption_model": str(backbones / "clip"), "caption_weight": 1e-4}
        opt["degflow"] |= {"adversarial_start": 20, "adversarial_weight": 1e-3}
    if "network_d" in opt:
        opt["network_d"] |= {"pretrained": str(backbones / "dino"), "blocks": [0, 1, 2], "chunk": 28, "width": 16}
        opt["train"]["gan_opt"]["loss_weight"] = 0.01
    opt["degflow"] |= degflow
    opt["train"].pop("perceptual_opt")
    opt["train"]["optim_g"]["lr"] = 4e-3
    opt["val"]["val_freq"] = 1
    opt["val"]["metrics"].pop("ssim")
    opt["logger"] |= {"print_freq": 1, "save_checkpoint_freq": 1, "use_tb_logger": False}
    return opt


def with_stage_1(system: str, backbones: Path, images: Path, steps: int) -> dict[str, Any]:
    """Options of a system; of the second stage of FlowSR with a teacher of ``steps`` steps."""
    if system != "flowsr_2":
        return tiny_options(system, backbones, images)
    first = tiny_options("flowsr_1", backbones, images)
    first["train"]["total_iter"] = first["val"]["val_freq"] = first["logger"]["save_checkpoint_freq"] = steps
    return tiny_options(system, backbones, images, teacher=run(first, steps).name)


def run(opt: dict[str, Any], steps: int, *flags: str) -> Path:
    """``degflow train`` on the options in the current folder, to a checkpoint at ``steps``; the experiment's folder."""
    opt["train"]["total_iter"] = steps
    file = Path(f"{opt['name']}.yml")
    file.write_text(yaml.safe_dump(opt, sort_keys=False), encoding="utf-8")
    assert main(["train", "-opt", str(file), *flags]) == 0
    return Path("experiments") / opt["name"]


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
