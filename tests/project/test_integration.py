"""The examples for other people's projects, taken from their pages and run: BasicSR, loops; more in test_clients.py."""

from __future__ import annotations

import copy
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from helpers.documents import ROOT, block, lines_of_bash, of_language
from helpers.photographs import photograph, write_photographs
from helpers.tiny_backbones import write_vgg19

from degflow_aug import compat
from degflow_aug.options.yaml_file import load_yaml

CHANNELS = {"num_in_ch": 3, "num_out_ch": 3, "num_feat": 8, "num_block": 1}
NETWORKS: dict[str, dict[str, Any]] = {
    "SRVGGNetCompact": {"num_feat": 4, "num_conv": 1, "upscale": 4},
    "EDSR": {**CHANNELS, "upscale": 4, "res_scale": 1, "img_range": 255.0, "rgb_mean": [0.4488, 0.4371, 0.404]},
    "SwinIR": {
        "upscale": 4, "in_chans": 3, "img_size": 16, "window_size": 8, "img_range": 1.0, "depths": [2],
        "embed_dim": 16, "num_heads": [2], "mlp_ratio": 2, "upsampler": "pixelshuffle", "resi_connection": "1conv",
    },
    "RRDBNet": CHANNELS,
    "MSRResNet": {**CHANNELS, "upscale": 4},
}  # fmt: skip
# What BasicSR's files for ESRGAN and MSRGAN have besides.
ADVERSARIAL = ("RRDBNet", "MSRResNet")
DISCRIMINATOR = {"type": "VGGStyleDiscriminator", "num_in_ch": 3, "num_feat": 4}
GAN_TRAINING: dict[str, Any] = {
    "optim_d": {"type": "Adam", "lr": 1e-4, "betas": [0.9, 0.99]}, "net_d_iters": 1, "net_d_init_iters": 0,
    "perceptual_opt": {
        "type": "PerceptualLoss", "layer_weights": {"conv5_4": 1}, "vgg_type": "vgg19", "use_input_norm": True,
        "range_norm": False, "perceptual_weight": 1.0, "style_weight": 0, "criterion": "l1",
    },
    "gan_opt": {
        "type": "GANLoss", "gan_type": "vanilla", "real_label_val": 1.0, "fake_label_val": 0.0, "loss_weight": 5e-3,
    },
}  # fmt: skip
PATHS = {"pretrain_network_g": None, "strict_load_g": True, "resume_state": None}
TRAINING: dict[str, Any] = {
    "ema_decay": 0.9, "optim_g": {"type": "Adam", "lr": 1e-4, "betas": [0.9, 0.99]}, "total_iter": 2,
    "scheduler": {"type": "MultiStepLR", "milestones": [100], "gamma": 0.5},
    "pixel_opt": {"type": "L1Loss", "loss_weight": 1.0, "reduction": "mean"},
}  # fmt: skip
needs_basicsr = pytest.mark.skipif(not compat.has_basicsr(), reason="BasicSR is not installed")


def run_script(folder: Path, *arguments: str) -> str:
    """A Python script in ``folder``, without a GPU; what it printed."""
    paths = os.pathsep.join((str(folder), str(ROOT)))
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout + done.stderr


def write_options(path: Path, opt: dict[str, Any]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(copy.deepcopy(opt), sort_keys=False), encoding="utf-8")


def stock_options(folder: Path, network: str) -> dict[str, Any]:
    """What a stock BasicSR project has, paired files and the network; the pairs, and HR for later, are written."""
    for name, side in (("pairs/gt", 32), ("pairs/lq", 8), ("datasets/DF2K/HR", 256)):
        write_photographs(folder / name, 2, height=side, width=side)
    pairs = {
        "type": "PairedImageDataset", "dataroot_gt": "pairs/gt", "dataroot_lq": "pairs/lq",
        "io_backend": {"type": "disk"},
    }  # fmt: skip
    psnr = {"psnr": {"type": "calculate_psnr", "crop_border": 4, "test_y_channel": False}}
    adversarial = network in ADVERSARIAL
    return {
        "name": "stock", "model_type": "ESRGANModel" if adversarial else "SRModel", "scale": 4, "num_gpu": 0,
        "manual_seed": 0,
        "datasets": {"train": {**pairs, "name": "pairs", "gt_size": 32}, "val": {**pairs, "name": "pairs"}},
        "network_g": {"type": network, **NETWORKS[network]}, **({"network_d": DISCRIMINATOR} if adversarial else {}),
        "path": PATHS, "train": {**TRAINING, **(GAN_TRAINING if adversarial else {})},
        "val": {"val_freq": 2, "save_img": False, "metrics": psnr},
        "logger": {"print_freq": 1, "save_checkpoint_freq": 2, "use_tb_logger": False},
    }  # fmt: skip


@needs_basicsr
@pytest.mark.parametrize(
    "network", ["SRVGGNetCompact", *(pytest.param(name, marks=pytest.mark.slow) for name in list(NETWORKS)[1:])]
)
def test_a_basicsr_project(network: str, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opt = stock_options(project, network)
    changes = load_yaml(block("integrate", "stock"))
    smaller = ["datasets:train:batch_size_per_gpu=2", "datasets:train:num_worker_per_gpu=0"]
    if network in ADVERSARIAL:
        monkeypatch.setenv("TORCH_HOME", str(project))
        (project / "hub/checkpoints").mkdir(parents=True)
        write_vgg19(project / "hub/checkpoints/vgg19-dcbb9e9d.pth")
        changes["model_type"] = "DegradedESRGANModel"
        smaller.append("datasets:train:gt_size=128")
    write_options(
        project / "options/my_network.yml", {**opt, **changes, "datasets": {**opt["datasets"], **changes["datasets"]}}
    )
    (project / "train.py").write_text(block("integrate", "train.py"), encoding="utf-8")
    (command,) = (shlex.split(line) for line in lines_of_bash() if "options/my_network.yml" in line)
    said = run_script(project, *command[1:], "--force_yml", *smaller)
    assert f"Model [{changes['model_type']}] is created" in said
    losses = ["l_pix", *(["l_percep", "l_g_gan", "l_d_real", "l_d_fake"] if network in ADVERSARIAL else [])]
    assert all(said.count(f" {name}: ") == 2 for name in [*losses, "degradation_share"])
    assert (project / "experiments/stock/models/net_g_2.pth").is_file()
    assert list((project / "experiments/stock/validation").glob("pairs_2.json"))


def write_extended_project(folder: Path) -> dict[str, Any]:
    """The files of extend.md, arrays to train on, and the option file that it describes, made small."""
    for name in ("my_degradation.py", "my_network.py", "my_dataset.py", "train.py"):
        (folder / name).write_text(block("extend", name), encoding="utf-8")
    (folder / "arrays").mkdir()
    for seed in range(2):
        np.save(folder / "arrays" / f"{seed}.npy", photograph(seed, 140, 150))
    replaced = load_yaml(block("extend", "extended"))
    opt = {**load_yaml(ROOT / "basicsr_options/liif_degflow.yml"), **replaced, "num_gpu": 0}
    opt["datasets"] = {"train": {**replaced["datasets"]["train"], "num_worker_per_gpu": 0, "batch_size_per_gpu": 2}}
    opt["degflow"] |= {"queries": 64, "preview_freq": 0}
    opt["train"]["total_iter"] = 2
    opt["logger"] |= {"print_freq": 1, "use_tb_logger": False}
    del opt["val"]
    write_options(folder / "extended.yml", opt)
    return opt


@needs_basicsr
def test_a_project_with_parts_of_its_own_trains(tmp_path: Path) -> None:
    opt = write_extended_project(tmp_path)
    run_script(tmp_path, "train.py", "-opt", "extended.yml")
    state = torch.load(tmp_path / f"experiments/{opt['name']}/models/net_g_latest.pth", weights_only=True)["params"]
    assert state["colours.0.weight"].shape == (32, 34)
    assert all(torch.isfinite(value).all() for value in state.values())


TWO_CAMERAS = pytest.mark.parametrize("project", ["simulator", "city100-nikon"], indirect=True)
"""One of the scales 1 to 4, and one of 1 to 2.9."""


@TWO_CAMERAS
def test_the_loop_of_readme(project: Path) -> None:
    (loop,) = of_language("python", "loop")
    names: dict[str, Any] = {}
    exec(loop.text.replace("city100-iphone", "camera.safetensors"), names)
    assert 0 < names["loss"].item() < 1
    assert all(parameter.grad is not None for parameter in names["network"].parameters())


@TWO_CAMERAS
def test_a_loop_of_ones_own_at_any_scale(project: Path) -> None:
    names: dict[str, Any] = {}
    exec(block("integrate", "any-scale-loop"), names)
    assert names["sr"].shape == (1, 3, 83, 83)
    names["degradation"].seed(names["step"])
    assert torch.equal(names["lr"], names["degradation"].lr_patches(names["hr"], names["scales"], lr_size=32))
    assert 0 < names["loss"].item() < 1
    assert all(parameter.grad is not None for parameter in names["network"].parameters())
    assert all(parameter.grad is None for parameter in names["degradation"].parameters())
