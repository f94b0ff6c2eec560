"""One-step systems as their option files say, on tiny backbones, small crops and photographs of scikit-image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from benchmarks.onestep.tiny_autoencoder import teach_autoencoder
from degflow_aug.cli import main
from degflow_aug.commands.demo.simulated_pairs import bundled_photographs, write_simulated_pairs
from degflow_aug.console.progress import Progress
from degflow_aug.data.tensors import to_tensor
from degflow_aug.files.image_file import read_image, write_image
from degflow_aug.options.yaml_file import load_yaml

OPTIONS = Path(__file__).resolve().parents[2] / "basicsr_options"
SCALE = 4.0
TRAINED_ON, HELD_OUT = slice(100, 228), slice(250, 346)


def write_photograph_pairs(folder: Path) -> Path:
    """``hr``: parts of photographs to train on; ``pairs``: simulated pairs at 4 of other parts, to validate on."""
    photographs, _ = bundled_photographs()
    (folder / "hr").mkdir(parents=True)
    for name, image in photographs.items():
        write_image(folder / "hr" / f"{name}.png", image[TRAINED_ON, TRAINED_ON])
    with Progress() as progress:
        others = {name: image[HELD_OUT, HELD_OUT] for name, image in photographs.items()}
        write_simulated_pairs(others, (SCALE,), folder / "pairs", progress)
    return folder


def teach_vaes(backbones: Path, images: Path, steps: int) -> None:
    """Have the VAEs of both backbones give photographs back, so that latents say something of images."""
    crops = read_folder(images / "hr") * 2 - 1
    for name in ("sd", "flux"):
        teach_autoencoder(backbones / name / "vae", crops, steps)


def read_folder(folder: Path) -> Tensor:
    """All images of a folder, which are of one size, (N, 3, H, W) in [0, 1]."""
    return torch.stack([to_tensor(read_image(file)) for file in sorted(folder.glob("*.png"))])


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


def run(opt: dict[str, Any], steps: int, *flags: str) -> Path:
    """``degflow train`` on the options in the current folder, to a checkpoint at ``steps``; the experiment's folder."""
    opt["train"]["total_iter"] = steps
    file = Path(f"{opt['name']}.yml")
    file.write_text(yaml.safe_dump(opt, sort_keys=False), encoding="utf-8")
    if main(["train", "-opt", str(file), *flags]) != 0:
        raise RuntimeError(f"expected {file} to train to its end, got a failure; see what was said before")
    return Path("experiments") / opt["name"]
