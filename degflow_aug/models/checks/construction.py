"""Whether networks, losses and optimisers take the arguments that an option file gives them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from basicsr.utils.registry import LOSS_REGISTRY

from degflow_aug.models.checks.registered_types import registered_type
from degflow_aug.options.nearest_name import nearest_name

LOSSES = ("pixel_opt", "perceptual_opt", "ldl_opt", "gan_opt")
GAN_TYPES = ("vanilla", "lsgan", "wgan", "wgan_softplus", "hinge")


def check_arguments(constructor: Callable[..., Any], section: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The arguments of a section, all but its ``type``, which ``constructor`` takes.

    Raises:
        ValueError: one that it does not take, with the nearest name, or one that is missing.
    """
    arguments = {key: value for key, value in section.items() if key != "type"}
    try:
        inspect.signature(constructor).bind(**arguments)
    except TypeError as error:
        known = inspect.signature(constructor).parameters
        unknown = next((key for key in arguments if key not in known), None)
        nearest = nearest_name(unknown, known) if unknown is not None else ""
        raise ValueError(f"expected the arguments of {section['type']} in {where}, got {error}{nearest}") from None
    return arguments


def check_loss_sections(train: Mapping[str, Any]) -> None:
    """Every loss of the ``train`` section: its type, its arguments, and that it gives a number.

    Raises:
        ValueError: the first mistake.
    """
    for name in LOSSES:
        section = train.get(name)
        if section is None:
            continue
        where = f"train.{name}"
        check_arguments(registered_type(LOSS_REGISTRY, section, where), section, where)
        weight = section.get("loss_weight", 1)
        if isinstance(weight, bool) or not isinstance(weight, (int, float)):
            raise ValueError(f"expected a number in {where}.loss_weight, got {weight!r}")
        if section.get("reduction", "mean") not in ("mean", "sum"):
            raise ValueError(f"expected mean or sum in {where}.reduction, got {section['reduction']!r}")
        if section.get("type") == "GANLoss" and section["gan_type"] not in GAN_TYPES:
            kind = section["gan_type"]
            nearest = nearest_name(kind, GAN_TYPES)
            raise ValueError(f"expected {where}.gan_type out of {', '.join(GAN_TYPES)}, got {kind!r}{nearest}")


def check_optimizer(section: Any, known: Mapping[str, Callable[..., Any]], where: str) -> None:
    """Build the optimiser of a section over one parameter.

    Args:
        section: ``type``, ``lr`` and other arguments.
        known: the types there are.
        where: the section's name.

    Raises:
        ValueError: another type, a learning rate that is no number above 0, or what the optimiser refuses.
    """
    kind: Any = section.get("type") if isinstance(section, Mapping) else None
    if not isinstance(kind, str) or kind not in known:
        raise ValueError(f"expected {where}.type out of {', '.join(known)}, got {kind!r}")
    rate = section.get("lr")
    if isinstance(rate, bool) or not isinstance(rate, (int, float)) or rate <= 0:
        raise ValueError(f"expected a number above 0 in {where}.lr, got {rate!r}")
    arguments = check_arguments(known[kind], {"params": None, **section}, where)
    try:
        known[kind](**{**arguments, "params": [torch.nn.Parameter(torch.zeros(1))]})
    except (TypeError, ValueError) as error:
        raise ValueError(f"expected arguments that {kind} takes in {where}, got {error}") from None
