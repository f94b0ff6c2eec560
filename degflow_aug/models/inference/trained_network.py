"""A network that a run has trained, from its checkpoint and the option file beside it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from basicsr.archs import build_network
from basicsr.utils.registry import ARCH_REGISTRY
from torch import nn

from degflow_aug.archs.arbitrary_scale.official_checkpoint import build_official
from degflow_aug.archs.arbitrary_scale.official_keys import find_official_network
from degflow_aug.bundles.bundle import read_spec
from degflow_aug.compat.options import override_all
from degflow_aug.compat.weights import fill_network
from degflow_aug.files.tensor_file import load_tensors
from degflow_aug.models.checks.images import check_enlarges
from degflow_aug.models.checks.registered_types import is_arbitrary_scale, outline_network, registered_type
from degflow_aug.models.training.checkpoint import network_file
from degflow_aug.options.yaml_file import load_yaml

_ENTRY = re.compile(r"[\w\s:]+=")
_FLAG = re.compile(r"--?[a-z]")
_READ = ("network_g", "scale", "degflow")
"""Sections that are read here."""


@dataclass(frozen=True)
class TrainedNetwork:
    """A network on the CPU, in evaluation mode.

    Attributes:
        network: filled with its EMA where the checkpoint has one.
        kind: its type in the option file.
        scale: what it enlarges by; None for an arbitrary-scale network.
        highest: the highest scale that an arbitrary-scale network was trained at, where the option file tells.
        file: the checkpoint.
        part: the name of the weights in it.
    """

    network: nn.Module
    kind: str
    scale: int | None
    highest: float | None
    file: Path
    part: str


def load_trained(path_or_run: str) -> TrainedNetwork:
    """Load the best network of a run, its newest where there is no best one, or a checkpoint below a run.

    Args:
        path_or_run: a run's folder, its name below ``experiments``, a file of weights with an option file in its
            folder or the one above, or one of the code of LIIF's, LTE's, MetaSR's or CiaoSR's authors, which needs
            none.

    Raises:
        ValueError: none there, none that enlarges images, no option file, or one that does not fit.
    """
    file = _file_of(path_or_run)
    official = find_official_network(load_tensors(file), file)
    if official is not None:
        built = build_official(official, file).requires_grad_(False)
        return TrainedNetwork(built, official.kind, None, None, file, official.part)
    source, opt = _options_of(file)
    where = f"network_g of {source}"
    section = opt["network_g"]
    if registered_type(ARCH_REGISTRY, section, where).__module__.startswith("degflow_aug.archs.generator."):
        raise ValueError(
            f"expected a run that trains a network to enlarge images, got {source}, which trains a generator of LR; "
            "degflow generate and preview use its bundle"
        )
    scale = None if is_arbitrary_scale(section) else _fixed_scale(opt, source)
    if scale is None:
        outline_network(section, where)
    else:
        check_enlarges(section, scale, None)
    network = build_network(deepcopy(section)).eval().requires_grad_(False)
    part = fill_network(network, file, part="params_ema")
    degflow = opt.get("degflow") or {}
    drawn = (degflow.get("scale_range") or degflow.get("scales")) if scale is None else None
    return TrainedNetwork(network, section["type"], scale, float(max(drawn)) if drawn else None, file, part)


def _file_of(path_or_run: str) -> Path:
    try:
        file = network_file(path_or_run, best=True)
    except ValueError:
        _refuse_bundle(path_or_run)
        raise
    _refuse_bundle(file)
    return file


def _refuse_bundle(path_or_name: str | Path) -> None:
    try:
        read_spec(path_or_name)
    except (ValueError, OSError):
        return
    raise ValueError(
        f"expected a trained network as --model, got the bundle {path_or_name}, which makes LR of HR; degflow generate "
        "and preview take it"
    )


def _options_of(file: Path) -> tuple[Path, dict[str, Any]]:
    """The newest option file beside a checkpoint or in its run, with what the command line has changed."""
    beside, run = file.resolve().parents[:2]
    found = [sorted(each.glob("*.yml"), key=lambda path: path.stat().st_mtime) for each in (beside, run)]
    for path in (path for each in found for path in reversed(each)):
        opt = load_yaml(path)
        if isinstance(opt.get("network_g"), Mapping):
            override_all(opt, _changes(path))
            return path, opt
    raise ValueError(
        f"expected the option file of its run at {run}/NAME.yml or beside it, which tells the network of {file.name}, "
        "got none; put the file that it was trained by there"
    )


def _changes(path: Path) -> list[str]:
    """Entries of ``--force_yml`` in the command above a copied option file that change what is read here."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[:3]
    command = lines[-1].removeprefix("# ") if lines[1:2] == ["# CMD:"] else ""
    try:
        words = shlex.split(command)
    except ValueError:
        words = command.split()
    found, inside = list[str](), False
    for word in words:
        if _FLAG.match(word):
            inside = word == "--force_yml"
        elif inside and (_ENTRY.match(word) or not found):
            found.append(word)
        elif inside:
            # BasicSR copies the command without quotes, so that a value with spaces falls apart.
            found[-1] += f" {word}"
    return [entry for entry in found if entry.partition("=")[0].partition(":")[0].strip() in _READ]


def _fixed_scale(opt: Mapping[str, Any], source: Path) -> int:
    scale = opt.get("scale")
    if not isinstance(scale, int) or isinstance(scale, bool) or scale < 1:
        raise ValueError(f"expected scale in {source} as a whole number, what its network enlarges by, got {scale!r}")
    return scale
