"""Networks in training as their option files have them, and degradations to put into their steps."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

import degflow_aug
from benchmarks.shared.generators import fresh_networks
from degflow_aug.bundles.bundle import Bundle, GeneratorSpec, save_bundle
from degflow_aug.degradations.fitted.camera_kernels import states_of
from degflow_aug.options.yaml_file import load_yaml

OPTION_FILES = Path(__file__).resolve().parents[2] / "basicsr_options"
NETWORKS = {
    "EDSR-LIIF": "liif_degflow.yml",
    "RRDBNet x4": "rrdbnet_x4_degflow.yml",
    "SwinIR x4": "swinir_x4_degflow.yml",
}


def step_options(network: str, args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The option file of a network with the sizes that were asked for, as ``build_model`` takes it."""
    opt = load_yaml(OPTION_FILES / NETWORKS[network])
    cuda = torch.device(args.device).type == "cuda"
    opt |= {"num_gpu": int(cuda), "is_train": True, "dist": False, "rank": 0, "world_size": 1, "manual_seed": args.seed}
    # The degradation is put in afterwards.
    opt |= {"name": "step_share", "degradation": {"type": "Bicubic"}}
    amp = {"fp32": "none", "bf16": "bf16"}[args.precision]
    opt["degflow"] |= {"amp": amp, "compile": args.compile, "preview_freq": 0}
    train = opt["datasets"]["train"]
    train["batch_size_per_gpu"] = args.batch or train["batch_size_per_gpu"]
    if args.size:
        train["gt_size"] = args.size
        if "lr_size" in opt["degflow"]:
            opt["degflow"]["lr_size"] = int(args.size / opt["degflow"]["scale_range"][1])
            queries = opt["degflow"]["queries"]
            opt["degflow"]["queries"] = min(queries, opt["degflow"]["lr_size"] ** 2)
    paths = ("experiments_root", "models", "training_states", "visualization", "log")
    opt["path"] |= {name: str(folder / name) for name in paths}
    return opt


def write_bundle(preset: str, path: Path, seed: int) -> Path:
    """A generator of a preset with random weights: its time does not depend on them."""
    made = fresh_networks(preset, seed)
    spec = GeneratorSpec(
        made.rae.spec, made.velocity.spec, made.knots, made.s_max, solver=made.solver, steps=made.steps
    )
    save_bundle(path, Bundle(spec, made.rae, made.velocity, states_of(made.kernel)))
    return path


def sections(bundle: Path, preset: str, precision: str, compiled: bool) -> dict[str, dict[str, Any]]:
    """The ``degradation:`` sections to compare, by name."""
    amp = {"fp32": "none", "bf16": "bf16"}[precision]
    degflow = {"type": "DegFlow", "bundle": str(bundle), "amp": amp, "compile": compiled}
    return {"bicubic": {"type": "Bicubic"}, "Real-ESRGAN": {"type": "RealESRGAN"}, f"DegFlow {preset}": degflow}


def build(opt: dict[str, Any], degradations: Mapping[str, dict[str, Any]]) -> tuple[Any, dict[str, Any]]:
    """The model, and for each degradation what its batches get their LR from."""
    degflow_aug.register()
    from basicsr.models import build_model

    from degflow_aug.degradations.build import build_degradation
    from degflow_aug.models.sr.lr_source import LRSource

    torch.manual_seed(opt["manual_seed"])
    model = build_model(opt)
    side_stream = model.options.side_stream
    sources = {
        name: LRSource(build_degradation(section), model.source.patches, model.device, side_stream)
        for name, section in degradations.items()
    }
    return model, sources
