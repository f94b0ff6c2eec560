"""Files of one network: BasicSR's format plus the network's own spec, written whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from degflow_aug.compat.weights import PARTS
from degflow_aug.files.tensor_file import bare, check_weights, load_tensors


def state_on_cpu(network: nn.Module) -> dict[str, Tensor]:
    """The network's state on the CPU, without the prefixes that wrappers add."""
    return {key: value.detach().cpu() for key, value in bare(network.state_dict()).items()}


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


def _read(path: str | Path) -> dict[str, Any]:
    content = load_tensors(path)
    if not isinstance(content, dict) or not isinstance(content.get("spec"), dict) or "params" not in content:
        raise ValueError(
            f"expected a checkpoint with params and a spec, got {path}, which was not written by degflow_aug"
        )
    for part in (name for name in PARTS if name in content):
        state = content[part]
        if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
            raise ValueError(f"expected tensors under {part} in {path}, got something else")
        content[part] = bare(state, path)
        check_weights(content[part], path)
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


def network_file(path_or_run: str, experiments: str | Path = "experiments", best: bool = False) -> Path:
    """The network that ``--model`` names: a checkpoint, or the newest of a run, given by its folder or its name.

    Args:
        path_or_run: what is named.
        experiments: where runs are that are named by their name.
        best: take the best one of ``val.best`` where the run has it.

    Raises:
        ValueError: nothing of that kind.
    """
    folder = Path(path_or_run)
    if (folder / "models").is_dir():
        path_or_run, experiments = folder.resolve().name, folder.resolve().parent
    kept = Path(experiments) / path_or_run / "models" / "net_g_best.pth"
    if best and path_or_run and kept.is_file():
        return kept
    try:
        return find_checkpoint(path_or_run, experiments)
    except ValueError:
        raise ValueError(
            f"expected --model as a checkpoint, a run's folder or its name below {experiments}, got {path_or_run!r}"
        ) from None
