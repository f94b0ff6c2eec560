"""A tiny BasicSR experiment: SRModel with a few hundred parameters on 16-pixel pairs, for the compat tests."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

OPTIONS: dict[str, Any] = {
    "name": "tiny",
    "model_type": "SRModel",
    "scale": 2,
    "num_gpu": 0,
    "manual_seed": 7,
    "datasets": {
        "train": {
            "name": "pairs",
            "type": "RecordingDataset",
            "io_backend": {"type": "disk"},
            "gt_size": 16,
            "use_hflip": True,
            "use_rot": False,
            "num_worker_per_gpu": 0,
            "batch_size_per_gpu": 2,
        },
        "val": {"name": "val", "type": "PairedImageDataset", "io_backend": {"type": "disk"}},
    },
    "network_g": {"type": "SRVGGNetCompact", "num_feat": 4, "num_conv": 1, "upscale": 2},
    "path": {},
    "train": {
        "optim_g": {"type": "Adam", "lr": 0.001},
        "scheduler": {"type": "MultiStepLR", "milestones": [100], "gamma": 0.5},
        "total_iter": 4,
        "pixel_opt": {"type": "L1Loss", "loss_weight": 1.0, "reduction": "mean"},
    },
    "logger": {"print_freq": 1, "save_checkpoint_freq": 2, "use_tb_logger": False},
}


ROOT = Path(__file__).resolve().parents[2]


def run_python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python without CUDA, with this checkout and the tests importable."""
    paths = os.pathsep.join((str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")))
    variables = {**os.environ, "PYTHONPATH": paths, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=variables, check=False)


def write_experiment(folder: Path, images: int = 5, size: int = 20, **changes: Any) -> Path:
    """Write image pairs and an option file; ``changes`` such as ``train__total_iter=3`` replace options, None removes.

    Values are written as JSON, which is YAML, so that nothing depends on a YAML writer.
    """
    import cv2

    rng = np.random.default_rng(0)
    for name, side in (("gt", size), ("lq", size // 2)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for index in range(images):
            cv2.imwrite(str(folder / name / f"{index}.png"), rng.integers(0, 256, (side, side, 3), dtype=np.uint8))
    options = copy.deepcopy(OPTIONS)
    for dataset in options["datasets"].values():
        dataset.update(dataroot_gt=str(folder / "gt"), dataroot_lq=str(folder / "lq"))
    for keys, value in changes.items():
        *sections, last = keys.split("__")
        section = options
        for name in sections:
            section = section.setdefault(name, {})
        if value is None:
            section.pop(last, None)
        else:
            section[last] = value
    path = folder / "options.yml"
    path.write_text(json.dumps(options, indent=2), encoding="utf-8")
    return path


def register_recording_dataset() -> list[int]:
    """Register ``RecordingDataset``, a PairedImageDataset; returns the list of all indices it was asked for."""
    from basicsr.data.paired_image_dataset import PairedImageDataset
    from basicsr.utils.registry import DATASET_REGISTRY

    if "RecordingDataset" in DATASET_REGISTRY:
        return DATASET_REGISTRY.get("RecordingDataset").asked

    class RecordingDataset(PairedImageDataset):
        asked: list[int] = []  # noqa: RUF012 - one list for all, on purpose

        def __getitem__(self, index: int) -> dict[str, Any]:
            self.asked.append(index)
            return super().__getitem__(index)

    DATASET_REGISTRY.register(RecordingDataset)
    return RecordingDataset.asked


def train(options: Path, *flags: str, working_directory: Path | None = None) -> None:
    """Run ``train_pipeline`` on an option file; the experiment goes into the file's folder."""
    import basicsr.train

    argv, folder = sys.argv, os.getcwd()
    try:
        os.chdir(working_directory or options.parent)
        sys.argv = ["train", "-opt", str(options), *flags]
        basicsr.train.train_pipeline(str(options.parent))
    finally:
        sys.argv = argv
        os.chdir(folder)
