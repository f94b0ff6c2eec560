"""A trained one-step network from its checkpoint, which tells all but the published weights."""

from __future__ import annotations

import inspect
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from degflow_aug.models.training.checkpoint import network_file, read_trained_state
from degflow_aug.onestep.networks.noise_levels import STEPS
from degflow_aug.onestep.networks.onestep_arch import OneStepFlux, OneStepUNet
from degflow_aug.onestep.networks.onestep_network import NOISE, OneStepNetwork
from degflow_aug.onestep.restoration.colour_fix import COLOUR_FIXES
from degflow_aug.onestep.restoration.enlargement import ENLARGEMENTS

NETWORKS: dict[str, type[OneStepUNet] | type[OneStepFlux]] = {"OneStepUNet": OneStepUNet, "OneStepFlux": OneStepFlux}


@dataclass(frozen=True)
class TrainedSystem:
    """A network ready to restore images, LoRA fused, and what it was trained for."""

    network: OneStepNetwork
    scale: float
    colour_fix: str
    enlargement: str
    file: Path


def load_system(path_or_run: str, experiments: str | Path = "experiments", pretrained: str = "") -> TrainedSystem:
    """Load a run's newest network, or a checkpoint.

    Args:
        path_or_run: a file, or the name of a run below ``experiments``.
        experiments: where runs are.
        pretrained: folder or hub id of the published weights, where they are elsewhere now.

    Raises:
        ValueError: no such checkpoint, one of another kind, or no published weights.
    """
    file = network_file(path_or_run, experiments)
    content = read_trained_state(file)
    spec, state = content["spec"], content["params"]
    section = spec.get("network")
    if not isinstance(section, dict) or section.get("type") not in NETWORKS:
        raise ValueError(f"expected a checkpoint of FlowSR, OMGSR or FluxSR, got {file}, which is of another network")
    kind = NETWORKS[section["type"]]
    arguments = {key: value for key, value in section.items() if key != "type"}
    _check_spec(file, spec, arguments, state, kind)
    arguments |= {"pretrained": pretrained} if pretrained else {}
    network = kind(**arguments, prompt=None)
    network.load_trained_state(state)
    network.time = float(spec["time"])
    return TrainedSystem(
        network.fuse(), float(spec["scale"]), str(spec["colour_fix"]), str(spec.get("enlargement", "bicubic")), file
    )


def _check_spec(
    file: Path, spec: dict[str, Any], arguments: dict[str, Any], state: Any, kind: type[OneStepUNet] | type[OneStepFlux]
) -> None:
    """Raise a ValueError unless a checkpoint tells all that a network is made of."""
    known = inspect.signature(kind).parameters
    latest = STEPS - 1 if arguments.get("prediction") == NOISE else 1
    told = {
        "a network that this version knows": set(arguments) <= set(known) and "pretrained" in arguments,
        f"time from 0 to {latest}": _is_number(spec.get("time")) and 0 <= spec["time"] <= latest,
        "scale of 1 or more": _is_number(spec.get("scale")) and spec["scale"] >= 1,
        "colour_fix": spec.get("colour_fix") in COLOUR_FIXES,
        "enlargement": spec.get("enlargement", "bicubic") in ENLARGEMENTS,
        "weights with the prompt": isinstance(state, dict) and "prompt.embeds" in state,
    }
    missing = [name for name, there in told.items() if not there]
    if missing:
        raise ValueError(
            f"expected {missing[0]} in the checkpoint {file}, got none; it is damaged or of another version"
        )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
