"""The types that an option file names, looked up before BasicSR builds any of them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from basicsr.utils.registry import ARCH_REGISTRY, DATASET_REGISTRY

from degflow_aug.archs.arbitrary_scale.arbitrary_scale_network import ArbitraryScaleNetwork
from degflow_aug.archs.network_outline import TooLargeError, outline
from degflow_aug.options.nearest_name import nearest_name
from degflow_aug.options.sections import check_known_keys


def registered_type(registry: Any, section: object, where: str) -> Any:
    """What the ``type`` of a section stands for.

    Raises:
        ValueError: nothing of that name is registered; names the nearest.
    """
    kind = section.get("type") if isinstance(section, Mapping) else None
    # BasicSR marks what other repositories register as well, and finds it without the mark.
    if not isinstance(kind, str) or (kind not in registry and f"{kind}_basicsr" not in registry):
        nearest = nearest_name(kind, registry.keys()) if kind else ""
        raise ValueError(f"expected a type that is registered in {where}, got {kind!r}{nearest}")
    return registry.get(kind)


def is_arbitrary_scale(section: Any) -> bool:
    """Whether the network of a section ``network_g`` is asked for coordinates.

    Raises:
        ValueError: nothing of that type is registered.
    """
    kind = registered_type(ARCH_REGISTRY, section, "network_g")
    return isinstance(kind, type) and issubclass(kind, ArbitraryScaleNetwork)


def check_networks(opt: Mapping[str, Any]) -> None:
    """Every ``network_*`` section: its type, and its arguments, with which the network is built.

    Raises:
        ValueError: the first mistake.
    """
    for name, section in opt.items():
        if name.startswith("network_"):
            network = registered_type(ARCH_REGISTRY, section, name)
            parameters = inspect.signature(network).parameters
            if not any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters.values()):
                check_known_keys(section, ("type", *parameters), name)
            if hasattr(network, "check_arguments"):
                check_published(network, section, name)
            else:
                build_network(network, section, name)


def build_network(network: Any, section: Mapping[str, Any], where: str) -> Any:
    """The network of a section, whose arguments only its constructor can judge.

    Raises:
        ValueError: it cannot be built, whatever Python says of it.
    """
    arguments = {key: value for key, value in section.items() if key != "type"}
    _check_memory(network, arguments, where)
    try:
        return network(**deepcopy(arguments))
    except (ValueError, OSError):
        raise
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        raise ValueError(f"expected arguments that make a {section['type']} in {where}, got {said}") from error


def check_published(network: Any, section: Mapping[str, Any], where: str) -> None:
    """A network whose weights are published elsewhere looks at its arguments itself, and reads no weights for that.

    Raises:
        ValueError: an argument that it does not take, lacks, or refuses.
    """
    arguments = {key: value for key, value in section.items() if key != "type"}
    try:
        inspect.signature(network).bind(**arguments)
        network.check_arguments(**arguments)
    except TypeError as error:
        raise ValueError(f"expected the arguments of {section['type']} in {where}, got {error}") from None


def _check_memory(network: Any, arguments: Mapping[str, Any], where: str) -> None:
    """Refuse widths that no memory has room for; networks that cannot be made without values are not looked at."""
    try:
        outline(network, deepcopy(arguments))
    except TooLargeError as error:
        raise ValueError(f"{error} in {where}; lower its widths") from None
    except Exception:
        return


def check_datasets(opt: Mapping[str, Any]) -> dict[str, Any]:
    """Every section of ``datasets``: its type; a dataset of this package's own is built, which looks at its files.

    Returns:
        The datasets of this package, by the ``name`` of their sections.

    Raises:
        ValueError: the first mistake.
    """
    built = {}
    for name, section in opt["datasets"].items():
        dataset = registered_type(DATASET_REGISTRY, section, f"datasets.{name}")
        if dataset.__module__.startswith("degflow_aug."):
            built[str(section.get("name"))] = dataset({**section, "phase": name.split("_")[0]})
    return built
