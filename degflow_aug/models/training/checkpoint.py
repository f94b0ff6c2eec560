"""Files of one network: BasicSR's format plus the network's own spec, written whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from degflow_aug.files.tensor_file import load_tensors

WEIGHTS = ("params", "params_ema")


def state_on_cpu(network: nn.Module) -> dict[str, Tensor]:
    """The network's state on the CPU, without the prefixes that wrappers add."""
    return {
        key.removeprefix("module.").removeprefix("_orig_mod."): value.detach().cpu()
        for key, value in network.state_dict().items()
    }


def read_checkpoint(path: str | Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Spec and weights (EMA where there is one) of a network that one of our stages trained.

    Raises:
        ValueError: no such file, a damaged one, one that holds code (it is not run), or one of another origin.
    """
    content = _read(path)
    return content["spec"], content["params_ema" if "params_ema" in content else "params"]


def read_trained_state(path: str | Path) -> dict[str, Any]:
    """A checkpoint of a network whose other weights are published: ``spec``, ``params`` and what its model adds.

    Raises:
        ValueError: as :func:`read_checkpoint`.
    """
    return _read(path)


def read_network(path: str | Path, network: nn.Module, strict: bool, part: str) -> None:
    """Fill ``network`` with the weights ``part`` (params where it is absent) of a checkpoint of ours.

    Raises:
        ValueError: as :func:`read_checkpoint`, or weights of another network.
    """
    content = _read(path)
    try:
        network.load_state_dict(content.get(part, content["params"]), strict=strict)
    except RuntimeError:
        kind = type(network).__name__
        raise ValueError(f"expected weights of this {kind} in {path}, got those of another network or width") from None


def read_weights(path: str | Path, network: nn.Module, strict: bool, part: str) -> None:
    """Fill ``network`` from any BasicSR checkpoint, ours or not: weights under ``part``, else params, else bare.

    Args:
        path: the checkpoint.
        network: not wrapped.
        strict: every weight must be there; otherwise weights that are missing or of another shape are left alone.
        part: params or params_ema, or another name that the checkpoint has.

    Raises:
        ValueError: no such file, a damaged one, one that holds code (it is not run), weights of another network, or
            no part of that name.
    """
    content = _load(path)
    # BasicSR writes None for bare weights.
    if part not in (None, *WEIGHTS) and part not in content:
        raise ValueError(f"expected weights named {part!r} in {path} (param_key), got {', '.join(map(str, content))}")
    found = next((content[key] for key in (part, "params", "params_ema") if content.get(key) is not None), content)
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
        raise ValueError(f"expected a checkpoint with network weights, got {path}, which holds something else")
    weights = {key.removeprefix("module."): value for key, value in found.items()}
    if not strict:
        shapes = {key: value.shape for key, value in network.state_dict().items()}
        weights = {key: value for key, value in weights.items() if value.shape == shapes.get(key)}
        if not weights:
            raise ValueError(f"expected some weights of this {type(network).__name__} in {path}, got none that fits")
    try:
        network.load_state_dict(weights, strict=strict)
    except RuntimeError:
        kind = type(network).__name__
        raise ValueError(f"expected weights of this {kind} in {path}, got those of another network or width") from None


def _load(path: str | Path) -> dict[str, Any]:
    content = load_tensors(path)
    if not isinstance(content, dict):
        raise ValueError(f"expected a checkpoint with network weights, got {path}, which holds something else")
    return content


def _read(path: str | Path) -> dict[str, Any]:
    content = _load(path)
    if not isinstance(content.get("spec"), dict) or "params" not in content:
        raise ValueError(
            f"expected a checkpoint with params and a spec, got {path}, which was not written by degflow_aug"
        )
    return content


def find_checkpoint(path_or_run: str, experiments: str | Path, option: str = "degflow.rae") -> Path:
    """The newest generator network of a run, given a file's path or the run's name below ``experiments``.

    Raises:
        ValueError: neither is there.
    """
    if Path(path_or_run).is_file():
        return Path(path_or_run)
    models = Path(experiments) / path_or_run / "models"
    latest = models / "net_g_latest.pth"
    if path_or_run and latest.is_file():
        return latest
    numbered = sorted(
        (file for file in models.glob("net_g_*.pth") if file.stem.removeprefix("net_g_").isdigit()),
        key=lambda file: int(file.stem.removeprefix("net_g_")),
    )
    if not path_or_run or not numbered:
        raise ValueError(
            f"expected {option} to be a stage 1 checkpoint or run name, got {path_or_run!r}; train stage 1 first"
        )
    return numbered[-1]
