"""The valid inputs that the campaign makes malformed ones of: small, and of every kind that a command reads.

``python -m benchmarks.faults.inputs.seeds FOLDER [--no-fit]`` writes them; the commands that make them run in
that process.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

SIDE = 96
LARGE_SIDE = 2048
SCENES = 3
LAST_STAGE = "refine"
LIIF = {
    "type": "LIIF", "encoder_spec": {"name": "edsr-baseline", "args": {"n_resblocks": 1, "n_feats": 8}},
    "imnet_spec": {"name": "mlp", "args": {"hidden_list": [16]}},
}  # fmt: skip
PATTERN = {"hr": "HR/{id}.png", "views": {"2": "x2/{id}.png", "4": "x4/{id}.png"}}


def write_seeds(folder: Path, *, fit: bool = True) -> None:
    """Pairs, bundles, checkpoints, option files, a generated set, an LMDB and, after ``fit``, its work folder."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    _write_pairs(folder / "pairs")
    _write_images(folder / "images")
    _write_networks(folder)
    _write_options(folder)
    _run("fit", "pairs", *_pairs(), "--preset", "kernel", "--held-out", "none", "--out", "kernel.safetensors")
    for stage in ("rae", "lfm", "sr"):
        _run("train", "-opt", f"{stage}.yml")
    _run("generate", "pairs/HR", "--bundle", "kernel.safetensors", "--scales", "2,4", "--out", "generated")
    _run("generate", "pairs/HR", "--bundle", "kernel.safetensors", "--scales", "2", "--format", "lmdb", "--out", "lmdb")
    if fit:
        _fit(folder)


def _fit(folder: Path) -> None:
    """A fit that has one step to go."""
    fit = ["fit", "pairs", *_pairs(), "--preset", "tiny", "--iters", "6", "--held-out", "none", "--save-every", "0.001"]
    _run(*fit, "--out", "fitted.safetensors")
    for latest in (folder / "fitted.fit").rglob("net_g_latest.pth"):
        if latest.parts[-3] == LAST_STAGE:
            latest.unlink()


def _pairs() -> list[str]:
    return ["--layout", "pattern", "--pattern", "pairs/pattern.yml"]


def _run(*arguments: str) -> None:
    from degflow_aug.cli import main

    code = main(arguments)
    if code:
        raise RuntimeError(f"expected a valid input of {' '.join(arguments)}, got exit code {code}")


def photograph(side: int, seed: int = 0) -> Any:
    """Blocks and gradients of random colours with some noise, (side, side, 3) in uint8."""
    import numpy as np

    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 256, (side // 8, side // 8, 3)).repeat(8, 0).repeat(8, 1)
    ramp = np.linspace(0, 255, side)[:, None, None] * np.ones((1, side, 3))
    return (0.6 * blocks + 0.35 * ramp + rng.integers(0, 12, (side, side, 3))).clip(0, 255).astype(np.uint8)


def _write_pairs(folder: Path) -> None:
    from degflow_aug.data.tensors import to_array, to_tensor
    from degflow_aug.degradations.bicubic import Bicubic
    from degflow_aug.files.image_file import write_image

    for number in range(SCENES):
        hr = photograph(SIDE, number)
        for scale, name in ((1.0, "HR"), (2.0, "x2"), (4.0, "x4")):
            path = folder / name / f"{number:03d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_image(path, hr if scale == 1 else to_array(Bicubic().render(to_tensor(hr)[None], scale)[0]))
    (folder / "pattern.yml").write_text(json.dumps(PATTERN), encoding="utf-8")


def _write_images(folder: Path) -> None:
    """One file of each kind, small and large."""
    import numpy as np
    from PIL import Image

    from degflow_aug.files.image_file import write_image

    folder.mkdir(parents=True, exist_ok=True)
    for name, side in (("small", SIDE), ("large", LARGE_SIDE)):
        pixels = photograph(side)
        image, path = Image.fromarray(pixels), folder / name
        image.save(path.with_suffix(".png"), compress_level=1)
        image.save(path.with_suffix(".jpg"), quality=90)
        image.save(path.with_suffix(".webp"), lossless=side == SIDE, quality=80, method=0)
        image.save(path.with_suffix(".tif"), compression="tiff_deflate")
        image.save(path.with_suffix(".bmp"))
        write_image(path.with_name(f"{name}16.png"), pixels.astype(np.uint16) * 257)
    pixels = photograph(SIDE)
    Image.fromarray(pixels).save(folder / "progressive.jpg", progressive=True, quality=80)
    Image.fromarray(pixels).convert("P").save(folder / "palette.png")
    Image.fromarray(pixels).save(folder / "lossy.webp", quality=70)
    for compression in ("raw", "tiff_lzw", "packbits"):
        Image.fromarray(pixels).save(folder / f"{compression}.tif", compression=compression)
    write_image(folder / "small16.tif", pixels.astype(np.uint16) * 257)


def _write_networks(folder: Path) -> None:
    """A bundle of a tiny generator, and files as DegFlow's official release has, small and larger."""
    import torch

    from degflow_aug.archs.generator.ncsnpp_arch import NCSNpp
    from degflow_aug.archs.generator.rae_arch import ResidualAutoencoder
    from degflow_aug.bundles.bundle import Bundle, GeneratorSpec, save_bundle

    rae = ResidualAutoencoder(base_channels=4, latent_channels=4, residual=True).eval()
    velocity = NCSNpp(latent_channels=4, base_channels=8, multipliers=(1, 2), blocks=1, condition_channels=48).eval()
    spec = GeneratorSpec(rae.spec, velocity.spec, (1.0, 2.0, 4.0), 4.0, camera="tiny", training={"scenes": ["a", "b"]})
    save_bundle(folder / "tiny.safetensors", Bundle(spec, rae, velocity))
    for name, base, levels in (("", 4, (1, 2)), ("large_", 32, (1, 2, 2))):
        rae = ResidualAutoencoder(base_channels=base, latent_channels=4)
        velocity = NCSNpp(latent_channels=4, base_channels=2 * base, multipliers=levels, blocks=1)
        parts = {"encoder": rae.encoder.state_dict(), "decoder": rae.decoder.state_dict()}
        torch.save(parts, folder / f"{name}official_rae.pth")
        torch.save({"model": velocity.state_dict()}, folder / f"{name}official_flow.pth")


def _write_options(folder: Path) -> None:
    """Option files of the two stages, of a super-resolution training and of its test."""
    for name, options in (
        ("rae", stage_options("rae", folder)), ("lfm", stage_options("lfm", folder)), ("sr", sr_options(folder)),
        ("test", test_options(folder)),
    ):  # fmt: skip
        (folder / f"{name}.yml").write_text(json.dumps(options, indent=1), encoding="utf-8")


def stage_options(stage: str, folder: Path) -> dict[str, Any]:
    """Stage 1 (``rae``) or 2 (``lfm``) in two steps."""
    networks = {
        "rae": {"type": "ResidualAutoencoder", "base_channels": 4, "residual": True},
        "lfm": {"type": "NCSNpp", "base_channels": 8, "multipliers": [1, 2], "blocks": 1},
    }
    dataset = {
        "name": "train", "type": "AlignedScalesDataset", "dataroot_gt": str(folder / "pairs"), "layout": "pattern",
        "pattern": PATTERN, "knots": [1, 2, 4], "gt_size": 32, "num_worker_per_gpu": 0, "batch_size_per_gpu": 1,
    }  # fmt: skip
    options = {
        "name": stage, "model_type": {"rae": "RAEModel", "lfm": "LFMModel"}[stage], "datasets": {"train": dataset},
        "network_g": networks[stage],
        "degflow": {"knots": [1, 2, 4], "lpips_weight": 0, **({"rae": "rae"} if stage == "lfm" else {})},
    }  # fmt: skip
    if stage == "rae":
        del options["degflow"]["lpips_weight"]
    return _completed(options)


def sr_options(folder: Path) -> dict[str, Any]:
    """An arbitrary-scale network on bicubic LR, in two steps."""
    dataset = {
        "name": "train", "type": "HRCropDataset", "dataroot_gt": str(folder / "pairs/HR"), "gt_size": 32,
        "num_worker_per_gpu": 0, "batch_size_per_gpu": 2, "use_hflip": True, "use_rot": True,
    }  # fmt: skip
    return _completed({
        "name": "sr", "model_type": "ArbitraryScaleSRModel", "datasets": {"train": dataset}, "network_g": LIIF,
        "degradation": {"type": "Bicubic"}, "degflow": {"lr_size": 8, "scale_range": [1, 4], "queries": 48},
    })  # fmt: skip


def test_options(folder: Path) -> dict[str, Any]:
    """A test of that network on the pairs."""
    dataset = {
        "name": "pairs", "type": "AnyScalePairDataset", "dataroot_gt": str(folder / "pairs"), "layout": "pattern",
        "pattern": PATTERN, "scales": [2],
    }  # fmt: skip
    return {
        "name": "sr_test", "model_type": "ArbitraryScaleSRModel", "scale": 1, "num_gpu": 0, "manual_seed": 0,
        "datasets": {"test_1": dataset}, "network_g": LIIF,
        "path": {"pretrain_network_g": str(folder / "experiments/sr/models/net_g_latest.pth"), "strict_load_g": True},
        "val": {"save_img": False, "metrics": {"psnr": {"type": "calculate_psnr", "crop_border": 0}}},
    }  # fmt: skip


def _completed(options: dict[str, Any]) -> dict[str, Any]:
    train = {
        "ema_decay": 0.9, "optim_g": {"type": "AdamW", "lr": 1e-3}, "total_iter": 2, "warmup_iter": -1,
        "scheduler": {"type": "MultiStepLR", "milestones": [1], "gamma": 0.5},
        "pixel_opt": {"type": "L1Loss", "loss_weight": 1.0, "reduction": "mean"},
    }  # fmt: skip
    return {
        **options, "scale": 1, "num_gpu": 0, "manual_seed": 0, "train": train,
        "path": {"pretrain_network_g": None, "resume_state": None},
        "logger": {"print_freq": 1, "save_checkpoint_freq": 1, "use_tb_logger": False},
    }  # fmt: skip


if __name__ == "__main__":
    write_seeds(Path(sys.argv[1]).resolve(), fit="--no-fit" not in sys.argv)
