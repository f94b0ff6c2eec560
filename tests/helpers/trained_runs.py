"""A run of ``degflow train`` as it lies on disk, its network of random weights: nothing is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import yaml

import degflow_aug


def write_run(folder: Path, network: Mapping[str, Any], iterations: Sequence[int] = (2,), **options: Any) -> Path:
    """Write option file and checkpoints, weights and EMA different in each; returns the folder."""
    degflow_aug.register()
    from basicsr.archs import build_network

    (folder / "models").mkdir(parents=True)
    text = yaml.safe_dump({"name": folder.name, "scale": 1, "network_g": dict(network), **options})
    (folder / f"{folder.name}.yml").write_text(text, encoding="utf-8")
    for iteration in iterations:
        parts = {}
        for seed, part in enumerate(("params", "params_ema")):
            torch.manual_seed(10 * iteration + seed)
            state = build_network(dict(network)).state_dict()
            parts[part] = {key: value + 0.01 * torch.randn_like(value) for key, value in state.items()}
        torch.save(parts, folder / f"models/net_g_{iteration}.pth")
    return folder
