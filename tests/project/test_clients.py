"""Real-ESRGAN's code, Lightning and Ray, as PyPI has them, with the examples of the documentation.

The first two are the extra ``clients``; Ray (``pip install "ray[data]"``) is in none.
"""

from __future__ import annotations

import copy
import importlib.util
import os
import shutil
import tarfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from helpers.basicsr_experiment import run_python
from helpers.documents import block
from helpers.photographs import photograph, write_photographs
from helpers.tiny_backbones import write_vgg19
from helpers.trees import coordinates
from torch import Tensor, nn
from torch.utils.data import DataLoader

import degflow_aug
from degflow_aug.data.tensors import to_array, to_tensor
from degflow_aug.files.image_file import read_image, write_image
from degflow_aug.options.yaml_file import load_yaml


def need(package: str) -> str:
    """The folder of a client; the test skips where it is not installed."""
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        pytest.skip(f"{package} is not installed")
    return os.path.dirname(found.origin)


KERNELS = {
    "blur_kernel_size": 21, "kernel_list": ["iso", "aniso"], "kernel_prob": [0.5, 0.5], "sinc_prob": 0.1,
    "blur_sigma": [0.2, 3], "betag_range": [0.5, 4], "betap_range": [1, 2],
}  # fmt: skip
REAL_ESRGAN: dict[str, Any] = {
    "name": "client", "scale": 4, "num_gpu": 0, "manual_seed": 0, "gt_size": 64, "queue_size": 180,
    "l1_gt_usm": True, "percep_gt_usm": True, "gan_gt_usm": False, "gt_usm": True,
    "datasets": {
        "train": {
            "name": "photographs", "type": "RealESRGANDataset", "dataroot_gt": "hr", "meta_info": "meta_info.txt",
            "io_backend": {"type": "disk"}, **KERNELS, **{f"{key}2": value for key, value in KERNELS.items()},
            "final_sinc_prob": 0.8, "gt_size": 64, "use_hflip": True, "use_rot": False, "num_worker_per_gpu": 1,
            "batch_size_per_gpu": 2,
        },
        "val": {
            "name": "pairs", "type": "PairedImageDataset", "dataroot_gt": "gt", "dataroot_lq": "lq",
            "io_backend": {"type": "disk"},
        },
    },
    "network_g": {
        "type": "RRDBNet", "num_in_ch": 3, "num_out_ch": 3, "num_feat": 8, "num_block": 1, "num_grow_ch": 4,
    },
    "network_d": {"type": "UNetDiscriminatorSN", "num_in_ch": 3, "num_feat": 4, "skip_connection": True},
    "path": {"pretrain_network_g": None, "param_key_g": "params_ema", "strict_load_g": True, "resume_state": None},
    "train": {
        "ema_decay": 0.9, "total_iter": 3, "warmup_iter": -1, "net_d_iters": 1, "net_d_init_iters": 0,
        "optim_g": {"type": "Adam", "lr": 1e-4, "weight_decay": 0, "betas": [0.9, 0.99]},
        "optim_d": {"type": "Adam", "lr": 1e-4, "weight_decay": 0, "betas": [0.9, 0.99]},
        "scheduler": {"type": "MultiStepLR", "milestones": [100], "gamma": 0.5},
        "pixel_opt": {"type": "L1Loss", "loss_weight": 1.0, "reduction": "mean"},
        "perceptual_opt": {
            "type": "PerceptualLoss", "layer_weights": {"conv1_2": 0.1, "conv5_4": 1}, "vgg_type": "vgg19",
            "use_input_norm": True, "range_norm": False, "perceptual_weight": 1.0, "style_weight": 0, "criterion": "l1",
        },
        "gan_opt": {
            "type": "GANLoss", "gan_type": "vanilla", "real_label_val": 1.0, "fake_label_val": 0.0, "loss_weight": 0.1,
        },
    },
    "val": {
        "val_freq": 3, "save_img": True,
        "metrics": {"psnr": {"type": "calculate_psnr", "crop_border": 4, "test_y_channel": False}},
    },
    "logger": {"print_freq": 1, "save_checkpoint_freq": 3, "use_tb_logger": False},
}  # fmt: skip
# Real-ESRGAN's models call .cuda() when they are made, whatever num_gpu is.
WITHOUT_GPU = """
import runpy, sys, torch
torch.Tensor.cuda = torch.nn.Module.cuda = lambda self: self
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def real_esrgan_options(model: str) -> dict[str, Any]:
    """Real-ESRGAN's keys with small sizes and the page's replacements; without a discriminator for RealESRNetModel."""
    opt = {**copy.deepcopy(REAL_ESRGAN), **load_yaml(block("integrate", "realesrgan")), "model_type": model}
    if model == "DegFlowESRNetModel":
        del opt["network_d"], opt["train"]["optim_d"], opt["train"]["gan_opt"], opt["train"]["perceptual_opt"]
    return opt


@pytest.mark.slow
@pytest.mark.parametrize("model", ["DegFlowESRGANModel", "DegFlowESRNetModel"])
def test_real_esrgans_train_py(model: str, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = shutil.copytree(need("realesrgan"), project / "realesrgan")
    (code / "models/degflow_model.py").write_text(block("integrate", "realesrgan/models/degflow_model.py"))
    own = (code / "train.py").read_text(encoding="utf-8")
    (code / "train.py").write_text(block("integrate", "realesrgan/train.py") + own, encoding="utf-8")
    (project / "without_gpu.py").write_text(WITHOUT_GPU, encoding="utf-8")
    for name, count, side in (("hr", 6, 160), ("gt", 1, 64), ("lq", 1, 16)):
        write_photographs(project / name, count, height=side, width=side)
    (project / "meta_info.txt").write_text("".join(f"{file.name}\n" for file in sorted((project / "hr").iterdir())))
    (project / "hub/checkpoints").mkdir(parents=True)
    write_vgg19(project / "hub/checkpoints/vgg19-dcbb9e9d.pth")
    monkeypatch.setenv("TORCH_HOME", str(project))

    def train(total_iter: int, *flags: str) -> str:
        opt = real_esrgan_options(model)
        opt["train"]["total_iter"] = total_iter
        (project / "options.yml").write_text(yaml.safe_dump(opt), encoding="utf-8")
        done = run_python("without_gpu.py", "realesrgan/train.py", "-opt", "options.yml", *flags)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout + done.stderr

    said = train(3)
    losses = ("l_g_pix", "l_g_percep", "l_g_gan", "l_d_real", "l_d_fake") if "GAN" in model else ("l_pix",)
    assert f"Model [{model}] is created" in said
    assert all(f" {name}: " in said for name in losses)
    assert "# psnr: " in said
    experiment = project / "experiments/client"
    assert (experiment / "visualization/00/00_3.png").is_file()
    assert "Resuming training from epoch: 1, iter: 3" in train(6, "--auto_resume")
    weights = torch.load(experiment / "models/net_g_6.pth", weights_only=True)
    assert set(weights) == {"params", "params_ema"}
    assert all(bool(value.isfinite().all()) for value in weights["params"].values())


@pytest.fixture
def real_esrgan_models(project: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The page's classes upon Real-ESRGAN's two models, kept on the CPU."""
    need("realesrgan")
    from basicsr.utils.registry import MODEL_REGISTRY

    monkeypatch.setattr(nn.Module, "cuda", lambda self: self)
    # Real-ESRGAN's models have the names of BasicSR's copies of them, which its registry puts a suffix to.
    monkeypatch.setattr(MODEL_REGISTRY, "_obj_map", dict(MODEL_REGISTRY._obj_map))
    names: dict[str, Any] = {"__name__": "degflow_model"}
    exec(block("integrate", "realesrgan/models/degflow_model.py"), names)
    return names


@pytest.mark.parametrize(
    ("name", "sharpened_target"),
    [("DegFlowESRGANModel", False), ("DegFlowESRNetModel", False), ("DegFlowESRNetModel", True)],
)
def test_real_esrgans_models(name: str, sharpened_target: bool, real_esrgan_models: dict[str, Any]) -> None:
    opt = {**real_esrgan_options(name), "is_train": True, "dist": False, "rank": 1, "world_size": 2}
    opt["gt_usm"] = sharpened_target
    opt["train"].pop("perceptual_opt", None)
    model = real_esrgan_models[name](opt)
    camera = degflow_aug.load_generator("camera.safetensors", noise=1.0)
    photographs = torch.from_numpy(coordinates(80, 72, 0)).permute(2, 0, 1).repeat(2, 1, 1, 1).contiguous() / 255
    corners = set()
    for step in (5, 6, 5):
        torch.manual_seed(step)
        model.update_learning_rate(step)
        model.feed_data({"gt": photographs})
        torch.manual_seed(step)
        top, left = int(torch.randint(17, ())), int(torch.randint(9, ()))
        hr = photographs[..., top : top + 64, left : left + 64]
        camera.seed(2 * step + 1)
        assert torch.equal(model.lq, camera(hr, 4.0))
        assert torch.equal(model.gt_usm, model.usm_sharpener(hr))
        assert torch.equal(model.gt, model.gt_usm if sharpened_target else hr)
        corners.add((top, left))
    assert len(corners) == 2
    before = copy.deepcopy(model.net_g.state_dict())
    model.optimize_parameters(6)
    assert any(not torch.equal(value, before[key]) for key, value in model.net_g.state_dict().items())
    pairs = {"gt": hr, "lq": torch.rand(2, 3, 16, 16)}
    model.opt["high_order_degradation"] = False
    model.feed_data(pairs)
    assert torch.equal(model.lq, pairs["lq"])
    model.is_train, model.opt["high_order_degradation"] = False, True
    model.feed_data(pairs)
    assert torch.equal(model.lq, pairs["lq"])


@pytest.fixture
def super_resolution(project: Path) -> Any:
    """The page's module for Lightning, with a network of a few weights."""
    need("lightning")
    names: dict[str, Any] = {}
    exec(block("integrate", "lightning"), names)

    def build() -> Any:
        torch.manual_seed(0)
        return names["SuperResolution"](nn.Sequential(nn.Conv2d(3, 12, 3, padding=1), nn.PixelShuffle(2)))

    return build


def fit(module: Any, epochs: int, **settings: Any) -> Any:
    """The trainer after ``epochs`` of four batches of one HR image, validated on a pair."""
    import lightning

    hr = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(1))
    pair = (torch.nn.functional.avg_pool2d(hr, 2), hr)
    trainer = lightning.Trainer(
        accelerator="cpu", max_epochs=epochs, logger=False, enable_progress_bar=False, enable_model_summary=False,
        num_sanity_val_steps=1,
    )  # fmt: skip
    trainer.fit(module, DataLoader([hr] * 4, batch_size=1), DataLoader([pair], batch_size=1), **settings)
    return trainer


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
def test_lightning_trains_validates_saves_and_resumes(
    super_resolution: Any, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, drawn = super_resolution(), []
    step = type(whole).training_step

    def recorded(self: Any, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        drawn.append(batch[0])
        return step(self, batch, batch_idx)

    monkeypatch.setattr(type(whole), "training_step", recorded)
    assert torch.isfinite(fit(whole, 2).callback_metrics["psnr"])
    hr = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(1))[None]
    camera = degflow_aug.load_generator("camera.safetensors", noise=1.0)
    for number, lr in enumerate(drawn):
        camera.seed(number)
        assert torch.equal(lr, camera(hr, 2.0))
    assert len({lr.numpy().tobytes() for lr in drawn}) == len(drawn) == 8
    fit(super_resolution(), 1).save_checkpoint("last.ckpt")
    resumed = super_resolution()
    fit(resumed, 2, ckpt_path="last.ckpt")
    assert len(drawn) == 16
    assert all(torch.equal(one, other) for one, other in zip(drawn[:8], drawn[8:], strict=True))
    state = torch.load("last.ckpt", weights_only=True)["state_dict"]
    assert set(state) == {"network.0.weight", "network.0.bias"}
    assert all(torch.equal(value, resumed.state_dict()[key]) for key, value in whole.state_dict().items())
    assert any(not torch.equal(value, resumed.state_dict()[key]) for key, value in state.items())


@pytest.mark.slow
def test_ray_data_makes_what_a_generator_makes(project: Path) -> None:
    need("ray")
    (project / "lr_by_ray.py").write_text(block("scale-out", "lr_by_ray.py"), encoding="utf-8")
    write_photographs(project / "photographs", 2, height=40, width=56)
    write_image(project / "photographs/tall.png", photograph(7, 48, 40))
    for kind in ("folder", "webdataset"):
        done = run_python("lr_by_ray.py", "photographs", "camera.safetensors", "2,3", kind, kind)
        assert done.returncode == 0, done.stderr[-3000:]
    generator, shards = degflow_aug.load_generator("camera.safetensors", noise=1.0), {}
    for file in sorted((project / "webdataset").glob("*.tar")):
        with tarfile.open(file) as tar:
            shards |= {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
    images = sorted((project / "photographs").iterdir())
    assert sorted(shards) == sorted(f"{image.stem}.{name}.png" for image in images for name in ("2", "3", "hr"))
    for image in images:
        hr = to_tensor(read_image(image))[None]
        for scale in (2.0, 3.0):
            generator.seed(zlib.crc32(f"{image.stem} {scale}".encode()))
            file = project / "folder" / f"{scale:g}" / image.name
            assert np.array_equal(read_image(file), to_array(generator(hr, scale)[0]))
            assert file.read_bytes() == shards[f"{image.stem}.{scale:g}.png"]
