"""A trained one-step network from its checkpoint, which tells all but the published weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from degflow_aug.models.checkpoint import find_checkpoint, read_trained_state
from degflow_aug.onestep.network import OneStepNetwork
from degflow_aug.onestep.published import OneStepFlux, OneStepUNet

NETWORKS: dict[str, type[OneStepUNet] | type[OneStepFlux]] = {"OneStepUNet": OneStepUNet, "OneStepFlux": OneStepFlux}


@dataclass(frozen=True)
class TrainedSystem:
    """A network ready to restore images, LoRA fused, and what it was trained for."""

    network: OneStepNetwork
    scale: float
    colour_fix: str
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
    file = _find(path_or_run, experiments)
    content = read_trained_state(file)
    spec = content["spec"]
    section = spec.get("network")
    if not isinstance(section, dict) or section.get("type") not in NETWORKS or not spec.get("time"):
        raise ValueError(f"expected a checkpoint of FlowSR, OMGSR or FluxSR, got {file}, which is of another network")
    arguments = {**section, **({"pretrained": pretrained} if pretrained else {})}
    network = NETWORKS[arguments.pop("type")](**arguments, prompt=None)
    network.load_trained_state(content["params"])
    network.time = float(spec["time"])
    return TrainedSystem(network.fuse(), float(spec["scale"]), str(spec["colour_fix"]), file)


def _find(path_or_run: str, experiments: str | Path) -> Path:
    folder = Path(path_or_run)
    if (folder / "models").is_dir():
        path_or_run, experiments = folder.resolve().name, folder.resolve().parent
    try:
        return find_checkpoint(path_or_run, experiments)
    except ValueError:
        raise ValueError(
            f"expected --model as a checkpoint, a run's folder or its name below {experiments}, got {path_or_run!r}"
        ) from None
