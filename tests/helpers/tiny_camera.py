"""A small set of aligned pairs, and options for networks that train in seconds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from degflow_aug.data.tensors import to_array, to_tensor
from degflow_aug.degradations.bicubic import Bicubic
from degflow_aug.draws import SampleDraw
from degflow_aug.files.image_file import write_image


def write_pairs(folder: Path, scenes: int = 3, size: int = 96, scales: tuple[float, ...] = (2.0, 4.0)) -> Path:
    """Blocks and gradients of random colours, and their bicubic views; returns the pattern file."""
    rng = np.random.default_rng(0)
    for number in range(scenes):
        files = {scale: folder / f"x{scale:g}" / f"{number:03d}.png" for scale in scales}
        write_scene({1.0: folder / "HR" / f"{number:03d}.png", **files}, rng, size)
    described = {"hr": "HR/{id}.png", "views": {f"{scale:g}": f"x{scale:g}/{{id}}.png" for scale in scales}}
    (folder / "pattern.yml").write_text(json.dumps(described), encoding="utf-8")
    return folder / "pattern.yml"


def write_scene(files: dict[float, Path], rng: np.random.Generator, size: int) -> None:
    """An image at 1 and its bicubic views at the other scales, as the files of those."""
    blocks = rng.integers(0, 256, (size // 4, size // 4, 3), dtype=np.uint8).repeat(4, 0).repeat(4, 1)
    ramp = np.linspace(0, 255, size)[:, None, None] * np.ones((1, size, 3))
    hr = (0.6 * blocks + 0.4 * ramp).astype(np.uint8)
    for scale, path in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_image(path, hr if scale == 1 else to_array(Bicubic().render(to_tensor(hr)[None], scale)[0]))


def stage_options(
    stage: str, pairs: Path, root: Path, iterations: int = 12, anchored: bool = False, **degflow: Any
) -> dict[str, Any]:
    """A BasicSR option file as a dictionary: ``rae`` or ``lfm`` at a size that takes milliseconds a step."""
    pattern = json.loads((pairs / "pattern.yml").read_text(encoding="utf-8"))
    knots = [1.0, *(float(scale) for scale in pattern["views"])]
    networks = {
        "rae": {"type": "ResidualAutoencoder", "base_channels": 8, "residual": True, "anchored": anchored},
        "lfm": {"type": "NCSNpp", "base_channels": 8, "multipliers": [1, 2], "blocks": 1, "dropout": 0.1},
    }
    dataset = {
        "type": "AlignedScalesDataset", "dataroot_gt": str(pairs), "layout": "pattern", "pattern": pattern,
        "knots": knots,
    }  # fmt: skip
    return {
        "name": stage, "model_type": {"rae": "RAEModel", "lfm": "LFMModel"}[stage], "scale": 1, "num_gpu": 0,
        "manual_seed": 3, "network_g": networks[stage],
        "datasets": {
            "train": {
                **dataset, "name": "train", "gt_size": 32, "use_hflip": True, "use_rot": True, "num_worker_per_gpu": 0,
                "batch_size_per_gpu": 2, "dataset_enlarge_ratio": 2,
            },
            "val": {**dataset, "name": "val"},
        },
        "degflow": {"knots": knots, **({"rae": "rae"} if stage == "lfm" else {}), **degflow},
        "path": {"pretrain_network_g": None, "strict_load_g": True, "resume_state": None},
        "train": {
            "ema_decay": 0.9, "optim_g": {"type": "AdamW", "lr": 4e-3, "betas": [0.9, 0.99], "weight_decay": 0.0},
            "scheduler": {
                "type": "CosineAnnealingRestartLR", "periods": [iterations], "restart_weights": [1], "eta_min": 1e-5,
            },
            "total_iter": iterations, "warmup_iter": 3,
            **({"pixel_opt": {"type": "L1Loss", "reduction": "mean"}} if stage == "rae" else {}),
        },
        "val": {
            "val_freq": 1000, "save_img": False,
            "metrics": {"psnr": {"type": "calculate_psnr", "crop_border": 0, "test_y_channel": True}},
        },
        "logger": {"print_freq": 1, "save_checkpoint_freq": 4, "use_tb_logger": False},
        "dist_params": {"backend": "nccl", "port": 29500},
    }  # fmt: skip


def train_rae(pairs: Path, folder: Path) -> None:
    """A stage 1 run of two steps in ``folder/experiments/rae``."""
    import torch
    from basicsr.data import build_dataset
    from basicsr.models import build_model
    from torch.utils.data import default_collate

    opt = in_memory(stage_options("rae", pairs, folder), folder)
    torch.manual_seed(0)
    model = build_model(opt)
    dataset = build_dataset(opt["datasets"]["train"])
    for step in (1, 2):
        model.feed_data(default_collate([dataset[SampleDraw(0, step)], dataset[SampleDraw(1, step)]]))
        model.optimize_parameters(step)
    model.save(-1, -1)


def in_memory(opt: dict[str, Any], folder: Path) -> dict[str, Any]:
    """What BasicSR's parser would add, for a model built without ``train_pipeline``."""
    root = folder / "experiments" / opt["name"]
    for name in ("models", "training_states"):
        (root / name).mkdir(parents=True, exist_ok=True)
    paths = {
        "experiments_root": str(root), "models": str(root / "models"), "training_states": str(root / "training_states"),
        "visualization": str(root / "visualization"),
    }  # fmt: skip
    for phase, section in opt["datasets"].items():
        section["phase"] = phase
    return {**opt, "path": {**opt["path"], **paths}, "is_train": True, "dist": False, "rank": 0, "world_size": 1}
