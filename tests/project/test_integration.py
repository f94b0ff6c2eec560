"""The examples for other people's projects, taken from their pages and run: BasicSR, Real-ESRGAN, loops, Lightning."""

from __future__ import annotations

import copy
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from helpers.documents import ROOT, block, lines_of_bash, of_language
from helpers.photographs import photograph, write_photographs
from torch import nn

import degflow_aug
from degflow_aug import compat
from degflow_aug.bundles.spec import bundle_path
from degflow_aug.options.yaml_file import load_yaml

NETWORK = {"type": "SRVGGNetCompact", "num_feat": 4, "num_conv": 1, "upscale": 4}
PATHS = {"pretrain_network_g": None, "strict_load_g": True, "resume_state": None}
TRAINING: dict[str, Any] = {
    "ema_decay": 0.9, "optim_g": {"type": "Adam", "lr": 1e-4, "betas": [0.9, 0.99]}, "total_iter": 2,
    "scheduler": {"type": "MultiStepLR", "milestones": [100], "gamma": 0.5},
    "pixel_opt": {"type": "L1Loss", "loss_weight": 1.0, "reduction": "mean"},
}  # fmt: skip
needs_basicsr = pytest.mark.skipif(not compat.has_basicsr(), reason="BasicSR is not installed")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a camera."""
    shutil.copy(bundle_path("simulator"), tmp_path / "camera.safetensors")
    monkeypatch.chdir(tmp_path)
    return tmp_path


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


def stock_options(folder: Path) -> dict[str, Any]:
    """What a stock BasicSR project has: SRModel on paired files; the pairs, and HR images for later, are written."""
    for name, side in (("pairs/gt", 32), ("pairs/lq", 8), ("datasets/DF2K/HR", 256)):
        write_photographs(folder / name, 2, height=side, width=side)
    pairs = {
        "type": "PairedImageDataset", "dataroot_gt": "pairs/gt", "dataroot_lq": "pairs/lq",
        "io_backend": {"type": "disk"},
    }  # fmt: skip
    psnr = {"psnr": {"type": "calculate_psnr", "crop_border": 4, "test_y_channel": False}}
    return {
        "name": "stock", "model_type": "SRModel", "scale": 4, "num_gpu": 0, "manual_seed": 0,
        "datasets": {"train": {**pairs, "name": "pairs", "gt_size": 32}, "val": {**pairs, "name": "pairs"}},
        "network_g": NETWORK, "path": PATHS, "train": TRAINING,
        "val": {"val_freq": 2, "save_img": False, "metrics": psnr},
        "logger": {"print_freq": 1, "save_checkpoint_freq": 2, "use_tb_logger": False},
    }  # fmt: skip


def real_esrgan_options() -> dict[str, Any]:
    """x4 on the CPU with the keys of Real-ESRGAN's option files that are not for synthetic LR."""
    gan = {"gan_type": "vanilla", "real_label_val": 1.0, "fake_label_val": 0.0, "loss_weight": 0.1}
    return {
        "name": "like", "scale": 4, "num_gpu": 0, "is_train": True, "dist": False, "rank": 0, "gt_size": 32,
        "l1_gt_usm": True, "percep_gt_usm": True, "gan_gt_usm": False, "network_g": NETWORK,
        "network_d": {"type": "UNetDiscriminatorSN", "num_in_ch": 3, "num_feat": 4}, "path": PATHS,
        "train": {
            **TRAINING, "optim_d": dict(TRAINING["optim_g"]), "gan_opt": {"type": "GANLoss", **gan},
            "net_d_iters": 1, "net_d_init_iters": 0,
        },
    }  # fmt: skip


@needs_basicsr
def test_a_basicsr_project(project: Path) -> None:
    opt = stock_options(project)
    changes = load_yaml(block("integrate", "stock"))
    write_options(
        project / "options/my_network.yml", {**opt, **changes, "datasets": {**opt["datasets"], **changes["datasets"]}}
    )
    (project / "train.py").write_text(block("integrate", "train.py"), encoding="utf-8")
    (command,) = (shlex.split(line) for line in lines_of_bash() if "options/my_network.yml" in line)
    smaller = ("datasets:train:batch_size_per_gpu=2", "datasets:train:num_worker_per_gpu=0")
    said = run_script(project, *command[1:], "--force_yml", *smaller)
    assert "Model [DegradedSRModel] is created" in said
    assert "degradation_share" in said
    assert (project / "experiments/stock/models/net_g_2.pth").is_file()
    assert list((project / "experiments/stock/validation").glob("pairs_2.json"))


@pytest.fixture
def real_esrgan_models(project: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The page's classes upon BasicSR's copies of Real-ESRGAN's two models, kept on the CPU."""
    from basicsr.models.realesrgan_model import RealESRGANModel
    from basicsr.models.realesrnet_model import RealESRNetModel
    from basicsr.utils.registry import MODEL_REGISTRY

    for name in ("realesrgan", "realesrgan.models"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    for file, model in (("realesrgan_model", RealESRGANModel), ("realesrnet_model", RealESRNetModel)):
        module = ModuleType(f"realesrgan.models.{file}")
        setattr(module, model.__name__, model)
        monkeypatch.setitem(sys.modules, module.__name__, module)
    # Both call .cuda() when they are made.
    monkeypatch.setattr(nn.Module, "cuda", lambda self: self)
    monkeypatch.setattr(MODEL_REGISTRY, "_obj_map", dict(MODEL_REGISTRY._obj_map))
    names: dict[str, Any] = {"__name__": "degflow_model"}
    exec(block("integrate", "realesrgan/models/degflow_model.py"), names)
    return names


@needs_basicsr
@pytest.mark.parametrize(
    ("name", "sharpened_target"),
    [("DegFlowESRGANModel", False), ("DegFlowESRNetModel", False), ("DegFlowESRNetModel", True)],
)
def test_real_esrgans_own_models(name: str, sharpened_target: bool, real_esrgan_models: dict[str, Any]) -> None:
    opt = {**real_esrgan_options(), **load_yaml(block("integrate", "realesrgan")), "gt_usm": sharpened_target}
    model = real_esrgan_models[name](copy.deepcopy(opt))
    gt = torch.rand(2, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    model.feed_data({"gt": gt})
    hr = gt[..., :32, :32]
    sharpened = model.usm_sharpener(hr)
    assert torch.equal(model.lq, degflow_aug.load_generator("camera.safetensors")(hr, 4.0))
    assert torch.equal(model.gt_usm, sharpened)
    assert torch.equal(model.gt, sharpened if sharpened_target else hr)
    before = copy.deepcopy(model.net_g.state_dict())
    model.optimize_parameters(1)
    assert any(not torch.equal(value, before[key]) for key, value in model.net_g.state_dict().items())
    model.is_train = False
    model.feed_data({"lq": hr, "gt": gt})
    assert torch.equal(model.lq, hr)


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


def test_the_loop_of_readme(project: Path) -> None:
    (loop,) = of_language("python", "loop")
    names: dict[str, Any] = {}
    exec(loop.text, names)
    assert 0 < names["loss"].item() < 1
    assert all(parameter.grad is not None for parameter in names["network"].parameters())


def test_a_loop_of_ones_own_at_any_scale(project: Path) -> None:
    names: dict[str, Any] = {}
    exec(block("integrate", "any-scale-loop"), names)
    assert names["sr"].shape == (1, 3, 83, 83)
    hr, scales = names["hr"], names["scales"]
    for i, scale in enumerate(scales.tolist()):
        alone = names["degradation"].lr_patches(hr[i, None], torch.tensor([scale]), lr_size=32)
        torch.testing.assert_close(names["lr"][i, None], alone)
    assert 0 < names["loss"].item() < 1
    assert all(parameter.grad is not None for parameter in names["network"].parameters())
    assert all(parameter.grad is None for parameter in names["degradation"].parameters())


class LightningModule(nn.Module):
    """What the example uses of Lightning's class, which is a module with hooks.

    Lightning is no dependency of this package, and half a gigabyte for one example; its documented order of calls is
    followed by the test instead: configure_optimizers, then for every batch the transfer, the hook, the step.
    """

    trainer: Any = None


def test_lightning(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = ModuleType("lightning")
    stand_in.LightningModule = LightningModule  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "lightning", stand_in)
    names: dict[str, Any] = {}
    exec(block("integrate", "lightning"), names)
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 48, 1), nn.PixelShuffle(4))
    module = names["SuperResolution"](network)
    module.trainer = SimpleNamespace(training=True)
    optimizer = module.configure_optimizers()
    hr = torch.rand(2, 3, 32, 32)
    losses = []
    for number in range(3):
        batch = module.on_after_batch_transfer(hr, 0)
        loss = module.training_step(batch, number)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    generator = degflow_aug.load_generator("camera.safetensors")
    assert torch.equal(batch[0], generator(hr, 4.0))
    assert torch.equal(batch[1], hr)
    assert losses[2] < losses[0]
    assert set(module.state_dict()) == {f"network.{key}" for key in network.state_dict()}
    assert {id(each) for each in module.parameters()} == {id(each) for each in network.parameters()}
    module.trainer.training = False
    pair = (batch[0], hr)
    assert module.on_after_batch_transfer(pair, 0) is pair
    # No second device is needed to see that the generator follows the batch: PyTorch's meta device has shapes only.
    module.trainer.training = True
    assert module.on_after_batch_transfer(hr.to("meta"), 0)[0].device.type == "meta"
