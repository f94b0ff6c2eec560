"""What can be wrong with a training run's options, found before BasicSR makes the folders of the experiment."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from copy import deepcopy
from typing import Any, get_type_hints

from basicsr.utils.registry import ARCH_REGISTRY, DATASET_REGISTRY, MODEL_REGISTRY

from degflow_aug.compat_options import check_options
from degflow_aug.options import read_options
from degflow_aug.yaml_options import check_known_keys, nearest_name


def check_training_options(opt: dict[str, Any], source: str) -> None:
    """Check all that BasicSR checks late or never: sections of ours, types and arguments of networks, our datasets.

    Args:
        opt: the option file's content; it is not changed.
        source: the file's name, for messages.

    Raises:
        ValueError: the first mistake.
    """
    opt = deepcopy(opt)
    check_options(opt, source, is_train=True)
    options = get_type_hints(MODEL_REGISTRY.get(opt["model_type"])).get("options")
    if dataclasses.is_dataclass(options):
        read_options(options, opt.get("degflow", {}), "degflow")  # type: ignore[arg-type]
    for name, section in opt.items():
        if name.startswith("network_"):
            network = _registered(ARCH_REGISTRY, section, name)
            if network.__module__.startswith("degflow_aug."):
                check_known_keys(section, ("type", *inspect.signature(network).parameters), name)
    for name, section in opt["datasets"].items():
        dataset = _registered(DATASET_REGISTRY, section, f"datasets.{name}")
        if dataset.__module__.startswith("degflow_aug."):
            dataset({**section, "phase": name.split("_")[0]})


def _registered(registry: Any, section: object, where: str) -> Any:
    """The class that a section's ``type`` names."""
    kind = section.get("type") if isinstance(section, Mapping) else None
    if kind not in registry:
        nearest = nearest_name(kind, registry.keys()) if kind else ""
        raise ValueError(f"expected a type that is registered in {where}, got {kind!r}{nearest}")
    return registry.get(kind)
