"""A small project built as Real-ESRGAN's repository is: folders that import their own files, and LR made in a model.

``realesrgan/models`` imports every ``*_model.py`` of its folder, both models degrade in ``feed_data`` and keep
sharpened HR beside HR, and ``realesrgan/train.py`` calls BasicSR's ``train_pipeline``. It runs on a CPU.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

SYNTHETIC = "LR is synthetic"

_IMPORT_ALL = """
import importlib
import pkgutil

for found in pkgutil.iter_modules(__path__):
    if found.name.endswith("_SUFFIX"):
        importlib.import_module(f"{__name__}.{found.name}")
"""

_MODEL = """
import torch.nn.functional as F
from basicsr.models.BASE_FILE import BASE
from basicsr.utils import USMSharp, get_root_logger
from basicsr.utils.registry import MODEL_REGISTRY


@MODEL_REGISTRY.register()
class NAME(BASE):
    def __init__(self, opt):
        super().__init__(opt)
        self.usm_sharpener = USMSharp().to(self.device)

    def feed_data(self, data):
        self.gt = data["gt"].to(self.device)
        self.gt_usm = self.usm_sharpener(self.gt)
        if self.is_train:
            get_root_logger().info("SYNTHETIC")
            kernel = data["kernel1"][:1].expand(3, -1, -1, -1).to(self.device)
            blurred = F.conv2d(self.gt, kernel, padding=2, groups=3)
            self.lq = F.avg_pool2d(blurred, self.opt["scale"])
        else:
            self.lq = data["lq"].to(self.device)
"""

_NETWORK = """
from basicsr.utils.registry import ARCH_REGISTRY
from torch import nn


@ARCH_REGISTRY.register()
class Nearest(nn.Module):
    def __init__(self):
        super().__init__()
        self.colours = nn.Conv2d(3, 3, 1)

    def forward(self, image):
        return self.colours(image).repeat_interleave(4, 2).repeat_interleave(4, 3)
"""

_DATASET = """
import torch
from basicsr.utils.registry import DATASET_REGISTRY


@DATASET_REGISTRY.register()
class NoiseDataset(torch.utils.data.Dataset):
    def __init__(self, opt):
        self.opt = opt

    def __len__(self):
        return 4

    def __getitem__(self, index):
        gt = torch.rand(3, 40, 40, generator=torch.Generator().manual_seed(index))
        return {"gt": gt, "kernel1": torch.full((1, 5, 5), 1 / 25), "gt_path": f"{index}.png"}
"""

_TRAIN = """
import degflow_aug
import os.path as osp
from basicsr.train import train_pipeline

import realesrgan.archs
import realesrgan.data
import realesrgan.models

if __name__ == "__main__":
    train_pipeline(osp.abspath(osp.join(__file__, osp.pardir, osp.pardir)))
"""


def write_project(root: Path) -> Path:
    """Write the package below ``root``; returns its training script."""
    names = {"realesrgan": ("RealESRGANModel", "SRGANModel"), "realesrnet": ("RealESRNetModel", "SRModel")}
    files = {f"{folder}/__init__.py": _IMPORT_ALL.replace("SUFFIX", suffix) for folder, suffix in SUFFIXES.items()}
    for file, (name, base) in names.items():
        text = _MODEL.replace("NAME", name).replace("SYNTHETIC", SYNTHETIC)
        base_file = {"SRGANModel": "srgan_model", "SRModel": "sr_model"}[base]
        files[f"models/{file}_model.py"] = text.replace("BASE_FILE", base_file).replace("BASE", base)
    files |= {"archs/nearest_arch.py": _NETWORK, "data/noise_dataset.py": _DATASET, "train.py": _TRAIN}
    files["__init__.py"] = "from . import archs, data, models\n"
    for name, text in files.items():
        path = root / "realesrgan" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root / "realesrgan" / "train.py"


SUFFIXES = {"archs": "arch", "data": "dataset", "models": "model"}


def options() -> dict[str, Any]:
    """Two iterations of x4 on the CPU with the keys of Real-ESRGAN's option files that are not for synthetic LR."""
    optimizer = {"type": "Adam", "lr": 1e-4, "betas": [0.9, 0.99]}
    return {
        "name": "like", "model_type": "RealESRGANModel", "scale": 4, "num_gpu": 0, "manual_seed": 0, "gt_size": 32,
        "l1_gt_usm": True, "percep_gt_usm": True, "gan_gt_usm": False,
        "datasets": {
            "train": {
                "name": "noise", "type": "NoiseDataset", "num_worker_per_gpu": 0, "batch_size_per_gpu": 2,
                "dataset_enlarge_ratio": 1,
            },
        },
        "network_g": {"type": "Nearest"},
        "network_d": {"type": "UNetDiscriminatorSN", "num_in_ch": 3, "num_feat": 4},
        "path": {"pretrain_network_g": None, "strict_load_g": True, "resume_state": None},
        "train": {
            "ema_decay": 0.9, "optim_g": optimizer, "optim_d": dict(optimizer),
            "scheduler": {"type": "MultiStepLR", "milestones": [100], "gamma": 0.5}, "total_iter": 2,
            "pixel_opt": {"type": "L1Loss", "loss_weight": 1.0, "reduction": "mean"},
            "gan_opt": {
                "type": "GANLoss", "gan_type": "vanilla", "real_label_val": 1.0, "fake_label_val": 0.0,
                "loss_weight": 0.1,
            },
            "net_d_iters": 1, "net_d_init_iters": 0,
        },
        "logger": {"print_freq": 1, "save_checkpoint_freq": 2, "use_tb_logger": False},
    }  # fmt: skip
