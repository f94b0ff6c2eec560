"""One-step systems as their option files say, on tiny backbones, small crops and photographs of scikit-image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from degflow_aug.cli import main
from degflow_aug.commands.demo.simulated_pairs import bundled_photographs, write_simulated_pairs
from degflow_aug.console.progress import Progress
from degflow_aug.degradations.simulator.camera import SimulatedCamera
from degflow_aug.files.image_file import write_image
from degflow_aug.options.yaml_file import load_yaml

OPTIONS = Path(__file__).resolve().parents[2] / "basicsr_options"
SCALE = 4.0
TRAINED_ON, HELD_OUT = slice(100, 228), slice(250, 346)


def write_photograph_pairs(folder: Path, count: int | None = None) -> Path:
    """``hr``: parts of photographs to train on; ``pairs``: simulated pairs at 4 of other parts, to validate on."""
    photographs = dict(list(bundled_photographs()[0].items())[:count])
    (folder / "hr").mkdir(parents=True)
    for name, image in photographs.items():
        write_image(folder / "hr" / f"{name}.png", image[TRAINED_ON, TRAINED_ON])
    with Progress() as progress:
        others = {name: image[HELD_OUT, HELD_OUT] for name, image in photographs.items()}
        write_simulated_pairs(others, (SCALE,), folder / "pairs", progress, SimulatedCamera())
    return folder


def shrunk_options(system: str, backbones: Path, images: Path, vgg: Path, **degflow: Any) -> dict[str, Any]:
    """The option file of a system as it is shipped, with tiny networks, crops and batches, and other paths.

    Args:
        system: what its file's name ends in.
        backbones: of :func:`write_tiny_backbones`.
        images: of :func:`write_photograph_pairs`, and for FluxSR ``trajectories`` of ``degflow trajectories``.
        vgg: weights named as VGG16's.
        **degflow: changes of that section.
    """
    opt = load_yaml(OPTIONS / f"onestep_{system}.yml")
    network, train = opt["network_g"], opt["datasets"]["train"]
    opt["num_gpu"] = 0
    network |= {"pretrained": str(backbones / ("flux" if network["type"] == "OneStepFlux" else "sd")), "rank": 4}
    if network.get("encoder_rank"):
        network["encoder_rank"] = 4
    opt["degradation"]["bundle"] = "simulator"
    train |= {
        "dataroot_gt": str(images / ("hr" if train["type"] == "HRCropDataset" else "trajectories")), "gt_size": 32,
        "num_worker_per_gpu": 0, "batch_size_per_gpu": 2, "dataset_enlarge_ratio": 10,
    }  # fmt: skip
    pattern = {"hr": "HR/{id}.png", "views": {4: "x4/{id}.png"}}
    opt["datasets"]["val"] |= {"dataroot_gt": str(images / "pairs"), "layout": "pattern", "pattern": pattern}
    if "match_pairs" in opt["degflow"]:
        opt["degflow"]["match_pairs"] = 4
    if opt["degflow"].get("stage") == 2:
        opt["degflow"] |= {"caption_model": str(backbones / "clip"), "adversarial_start": 1}
    if "network_d" in opt:
        opt["network_d"] |= {"pretrained": str(backbones / "dino"), "blocks": [0, 1, 2], "chunk": 28, "width": 16}
    opt["degflow"] |= degflow
    opt["train"]["perceptual_opt"]["vgg_path"] = str(vgg)
    opt["train"]["optim_g"]["lr"] = 4e-3
    opt["val"]["val_freq"] = 1000
    opt["logger"] |= {"print_freq": 1, "save_checkpoint_freq": 1, "use_tb_logger": False}
    return opt


def tiny_options(system: str, backbones: Path, images: Path, vgg: Path | None = None, **degflow: Any) -> dict[str, Any]:
    """The same on photographs and in float32, each step on a whole batch; without ``vgg`` no perceptual loss."""
    opt = shrunk_options(system, backbones, images, vgg or Path())
    opt["network_g"] |= {"dtype": "float32", "gradient_checkpointing": False}
    opt["degradation"]["noise"] = 0.0
    if opt["datasets"]["train"]["type"] != "HRCropDataset":
        opt["datasets"]["train"] |= {"type": "HRCropDataset", "dataroot_gt": str(images / "hr"), "use_hflip": True}
    opt["degflow"] |= {"amp": "none", "accumulate": 1, "preview_freq": 0, **degflow}
    if vgg is None:
        opt["train"].pop("perceptual_opt")
    return opt


def run(opt: dict[str, Any], steps: int, *flags: str) -> Path:
    """``degflow train`` on the options in the current folder, to a checkpoint at ``steps``; the experiment's folder."""
    opt["train"]["total_iter"] = steps
    file = Path(f"{opt['name']}.yml")
    file.write_text(yaml.safe_dump(opt, sort_keys=False), encoding="utf-8")
    if main(["train", "-opt", str(file), *flags]) != 0:
        raise RuntimeError(f"expected {file} to train to its end, got a failure; see what was said before")
    return Path("experiments") / opt["name"]
