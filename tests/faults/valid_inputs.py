"""Valid inputs of every kind that a command reads, small, to make malformed ones of."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from faults.processes import run
from helpers.photographs import photograph
from helpers.tiny_camera import stage_options, write_pairs
from helpers.tiny_sr import sr_options, write_random_bundle
from PIL import Image

from degflow_aug.files.image_file import write_image

FIXTURES = Path(__file__).parents[1] / "fixtures"
KERNEL, TINY = "kernel.safetensors", "tiny.safetensors"
IMAGES = ("small.png", "small16.png", "small.jpg", "small.tif", "small.webp", "small.bmp")


def write_valid_inputs(folder: Path) -> Path:
    """Pairs, images, bundles, checkpoints, option files, a generated set, an LMDB, and the work folder of a fit."""
    write_pairs(folder / "pairs")
    for name in IMAGES:
        Image.fromarray(photograph(0, 64, 64)).save(
            folder / name, **({"compression": "tiff_deflate"} if "tif" in name else {})
        )
    write_image(folder / "small16.png", photograph(0, 64, 64, np.uint16))
    write_random_bundle(folder / TINY)
    for name, official in (("official_rae.pth", "tiny_ae.pth"), ("official_flow.pth", "tiny_flow.pth")):
        shutil.copy(FIXTURES / official, folder / name)
    for name, options in _options(folder).items():
        (folder / f"{name}.yml").write_text(yaml.safe_dump(options), encoding="utf-8")
    for arguments in (
        ["fit", *pairs_of(folder), "--preset", "kernel", "--held-out", "none", "--out", KERNEL],
        *(["train", "-opt", f"{stage}.yml"] for stage in ("rae", "lfm", "sr")),
        [*generate(folder / "pairs/HR", folder / KERNEL, "generated", "2,4")],
        [*generate(folder / "pairs/HR", folder / KERNEL, "lmdb"), "--format", "lmdb"],
        fit_arguments(folder),
    ):
        end = run(arguments, folder)
        if end.code:
            raise RuntimeError(f"expected valid inputs of {arguments}, got exit code {end.code}: {end.stderr}")
    # The fit has its last stage to end.
    (folder / "fitted.fit/refine/models/net_g_latest.pth").unlink()
    return folder


def pairs_of(valid: Path) -> list[str]:
    """Arguments of commands that read the pairs."""
    return [str(valid / "pairs"), "--layout", "pattern", "--pattern", str(valid / "pairs/pattern.yml")]


def fit_arguments(valid: Path) -> list[str]:
    """The fit whose work folder is among the valid inputs."""
    fit = ["fit", *pairs_of(valid), "--preset", "tiny", "--iters", "6", "--held-out", "none", "--save-every", "0.001"]
    return [*fit, "--out", "fitted.safetensors"]


def generate(hr: Path, bundle: Path, out: str = "out", scales: str = "2") -> list[str]:
    """Arguments that generate a set."""
    return ["generate", str(hr), "--bundle", str(bundle), "--scales", scales, "--out", out]


def _options(folder: Path) -> dict[str, dict[str, Any]]:
    """Option files of two stages, of a super-resolution training and of its test."""
    found = {name: stage_options(name, folder / "pairs", folder, iterations=2) for name in ("rae", "lfm")}
    found["sr"] = {**sr_options("arbitrary", folder, iterations=2), "name": "sr"}
    for options in found.values():
        options["logger"]["save_checkpoint_freq"] = 1
    pairs = {
        "name": "pairs", "type": "AnyScalePairDataset", "dataroot_gt": str(folder / "pairs"), "layout": "pattern",
        "pattern": json.loads((folder / "pairs/pattern.yml").read_text(encoding="utf-8")), "scales": [2],
    }  # fmt: skip
    trained = str(folder / "experiments/sr/models/net_g_latest.pth")
    found["test"] = {
        **{key: found["sr"][key] for key in ("model_type", "scale", "num_gpu", "manual_seed", "network_g")},
        "name": "sr_test", "datasets": {"test_1": pairs},
        "path": {"pretrain_network_g": trained, "strict_load_g": True},
        "val": {"save_img": False, "metrics": {"psnr": {"type": "calculate_psnr", "crop_border": 0}}},
    }  # fmt: skip
    return found
