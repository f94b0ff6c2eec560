"""Tiny one-step networks whose LoRA is not at its start, where it changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from degflow_aug.files.tensor_file import write_checkpoint
from degflow_aug.onestep.networks.onestep_arch import OneStepFlux, OneStepUNet
from degflow_aug.onestep.networks.onestep_network import OneStepNetwork

KINDS: dict[str, dict[str, Any]] = {
    "omgsr_s": {"encoder_rank": 4},
    "omgsr_f": {"encoder_rank": 4},
    "fluxsr": {},
    "flowsr": {"prediction": "velocity"},
}
TIMES = {"omgsr_s": 273.0, "omgsr_f": 0.5, "fluxsr": 0.4, "flowsr": 1.0}


def tiny_network(kind: str, backbones: Path, moved: bool = True, **arguments: Any) -> OneStepNetwork:
    """The network of a system, of rank 4; ``moved`` fills B of LoRA, which starts at zero."""
    torch.manual_seed(3)
    flux = kind in ("omgsr_f", "fluxsr")
    made = (OneStepFlux if flux else OneStepUNet)(
        str(backbones / ("flux" if flux else "sd")), rank=4, **{**KINDS[kind], **arguments}
    )
    if moved:
        with torch.no_grad():
            for name, parameter in made.named_parameters():
                if "lora_B" in name:
                    parameter.normal_(std=0.05)
    made.time = TIMES[kind]
    return made


def images(count: int = 2, side: int = 32, seed: int = 0) -> torch.Tensor:
    """(count, 3, side, side) in [-1, 1]."""
    return 2 * torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(seed)) - 1


def write_teacher(file: Path, backbones: Path) -> Path:
    """A checkpoint of FlowSR's first stage, as if it had been trained."""
    network = tiny_network("flowsr", backbones)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_checkpoint(file, {"params": network.trained_state(), "spec": {"network": network.spec, "time": 1.0}})
    return file
