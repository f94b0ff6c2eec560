"""The types that an option file names, looked up before BasicSR builds any of them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from basicsr.utils.registry import ARCH_REGISTRY, DATASET_REGISTRY

from degflow_aug.archs.arbitrary_scale import ArbitraryScaleNetwork
from degflow_aug.yaml_options import check_known_keys, nearest_name


def registered_type(registry: Any, section: object, where: str) -> Any:
    """What the ``type`` of a section stands for.

    Raises:
        ValueError: nothing of that name is registered; names the nearest.
    """
    kind = section.get("type") if isinstance(section, Mapping) else None
    # BasicSR marks what other repositories register as well, and finds it without the mark.
    if kind not in registry and f"{kind}_basicsr" not in registry:
        nearest = nearest_name(kind, registry.keys()) if kind else ""
        raise ValueError(f"expected a type that is registered in {where}, got {kind!r}{nearest}")
    return registry.get(kind)


def check_networks(opt: Mapping[str, Any]) -> None:
    """Every ``network_*`` section: its type, and the arguments of this package's own networks.

    Raises:
        ValueError: the first mistake.
    """
    for name, section in opt.items():
        if name.startswith("network_"):
            network = registered_type(ARCH_REGISTRY, section, name)
            if not network.__module__.startswith("degflow_aug."):
                continue
            check_known_keys(section, ("type", *inspect.signature(network).parameters), name)
            if issubclass(network, ArbitraryScaleNetwork):
                # Their encoders have sections of their own, which only the constructor reads.
                network(**{key: value for key, value in section.items() if key != "type"})


def check_datasets(opt: Mapping[str, Any]) -> None:
    """Every section of ``datasets``: its type; a dataset of this package's own is built, which looks at its files.

    Raises:
        ValueError: the first mistake.
    """
    for name, section in opt["datasets"].items():
        dataset = registered_type(DATASET_REGISTRY, section, f"datasets.{name}")
        if dataset.__module__.startswith("degflow_aug."):
            dataset({**section, "phase": name.split("_")[0]})
