"""The types that an option file names, and the arguments it gives them, before BasicSR builds any of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from typing import Any

import torch
from basicsr.archs.vgg_arch import NAMES, insert_bn
from basicsr.losses.basic_loss import PerceptualLoss, WeightedTVLoss
from basicsr.losses.gan_loss import GANLoss
from basicsr.utils.registry import ARCH_REGISTRY, DATASET_REGISTRY, LOSS_REGISTRY
from torch import nn

from degflow_aug.archs.arbitrary_scale.arbitrary_scale_network import ArbitraryScaleNetwork
from degflow_aug.archs.network_arguments import TooLargeError, outline
from degflow_aug.console.sentence import sentence
from degflow_aug.metrics.lpips_loss import LPIPSLoss
from degflow_aug.models.checks.basicsr_pairs import check_basicsr_pairs, check_ffhq, check_range
from degflow_aug.models.validation.validation_metrics import check_borders
from degflow_aug.options.nearest_name import nearest_name
from degflow_aug.options.sections import check_known_keys

LOSSES = ("pixel_opt", "perceptual_opt", "ldl_opt", "gan_opt")


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


def check_networks(opt: Mapping[str, Any]) -> None:
    """Check every ``network_*`` section: its type, and its arguments, with which the network is outlined.

    A network whose weights are published elsewhere looks at its arguments itself, and reads no weights for that.

    Raises:
        ValueError: the first mistake.
    """
    for name, section in opt.items():
        # A discriminator that is null is none.
        if name == "network_g" or (name.startswith("network_") and section is not None):
            network = registered_type(ARCH_REGISTRY, section, name)
            parameters = inspect.signature(network).parameters
            if not any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters.values()):
                check_known_keys(section, ("type", *parameters), name)
            if hasattr(network, "check_arguments"):
                network.check_arguments(**check_arguments(network, section, name))
            else:
                outline_network(section, name)


def outline_network(section: Mapping[str, Any], where: str) -> Any:
    """The network of a section without memory for its weights; with weights where its constructor needs values.

    Raises:
        ValueError: it cannot be built, whatever Python says of it, or would be too large.
    """
    network = ARCH_REGISTRY.get(section["type"])
    arguments = {key: value for key, value in section.items() if key != "type"}
    # Some read values, which tensors on meta have not.
    for device in ("meta", "cpu"):
        try:
            return outline(network, deepcopy(arguments), device)
        except TooLargeError as error:
            raise ValueError(f"{error} in {where}{_largest(arguments)}") from None
        except Exception as error:
            if device == "cpu" and isinstance(error, (ValueError, OSError)):
                raise
            mistake = error
    raise ValueError(
        f"expected arguments that make a {section['type']} in {where}, got others: {sentence(mistake)}"
    ) from mistake


def _largest(arguments: Mapping[str, Any]) -> str:
    """Name the largest number among the arguments of a network, however deep it lies."""
    found = list(_numbers(arguments, ""))
    return f"; lower {max(found)[1]}, {max(found)[0]}" if found else ""


def _numbers(value: Any, name: str) -> Iterator[tuple[float, str]]:
    """Numbers in the value of an argument, each with the innermost name that it goes by."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _numbers(item, str(key))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _numbers(item, name)
    elif isinstance(value, (int, float)):
        yield value, name


def check_losses_and_optimizers(train: Mapping[str, Any], optimizers: Mapping[str, Callable[..., Any]]) -> None:
    """Check the types in the ``train`` section, and the names of their arguments; constructors look at the values.

    Args:
        train: the section.
        optimizers: the types there are.

    Raises:
        ValueError: the first mistake.
    """
    for name in LOSSES:
        if train.get(name) is not None:
            where = f"train.{name}"
            loss = registered_type(LOSS_REGISTRY, train[name], where)
            _check_use(loss, name)
            arguments = check_arguments(loss, train[name], where)
            if loss is LPIPSLoss and not arguments.get("unit_range"):
                raise ValueError(f"expected unit_range: true in {where}, whose images are in [0, 1], got none; add it")
            if loss is PerceptualLoss:
                _check_vgg(arguments, where)
            _build_light(loss, arguments, where)
            # BasicSR also has losses a pixel, which nothing here adds up.
            if train[name].get("reduction", "mean") not in ("mean", "sum"):
                raise ValueError(f"expected mean or sum in {where}.reduction, got {train[name]['reduction']!r}")
    _check_weights({f"train.{name}": train[name] for name in LOSSES if train.get(name)})
    for name in ("optim_g", "optim_d"):
        if name == "optim_g" or train.get(name) is not None:
            section = train[name] if isinstance(train.get(name), Mapping) else {}
            kind = section.get("type")
            if not isinstance(kind, str) or kind not in optimizers:
                raise ValueError(f"expected train.{name}.type out of {', '.join(optimizers)}, got {kind!r}")
            if section.get("lr") is None:
                raise ValueError(f"expected lr in train.{name}, got none; add it")
            arguments = check_arguments(optimizers[kind], {"params": None, **section}, f"train.{name}")
            optimizers[kind](**{**arguments, "params": [nn.Parameter(torch.zeros(1))]})


def _check_weights(losses: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse losses that all weigh nothing, by which a network learns nothing; those without a key for it weigh 1."""
    two = {"perceptual_weight": 1.0, "style_weight": 0.0}
    defaults = {where: two if of["type"] == "PerceptualLoss" else {"loss_weight": 1.0} for where, of in losses.items()}
    weights = [losses[where].get(key, default) for where, keys in defaults.items() for key, default in keys.items()]
    if losses and not any(weights):
        raise ValueError(f"expected a weight above 0 in {' or '.join(losses)}, got none; nothing would be learned")


def _check_use(loss: Any, name: str) -> None:
    """Refuse a loss of BasicSR's that takes or gives something else than where it stands asks for."""
    if not isinstance(loss, type) or not loss.__module__.startswith("basicsr."):
        return
    if name == "gan_opt":
        fits, wanted = issubclass(loss, GANLoss), "a loss of what a discriminator says, such as GANLoss,"
    else:
        several = () if name == "perceptual_opt" else (PerceptualLoss,)
        fits, wanted = not issubclass(loss, (GANLoss, WeightedTVLoss, *several)), "one loss of two images, as L1Loss,"
    if not fits:
        raise ValueError(f"expected {wanted} in train.{name}, got {loss.__name__}; take another")


def _check_vgg(arguments: Mapping[str, Any], where: str) -> None:
    """Refuse what the VGG of BasicSR's perceptual loss does not have, which it finds out when it has been read."""
    kind, criterion = arguments.get("vgg_type", "vgg19"), arguments.get("criterion", "l1")
    names = {**NAMES, **{f"{name}_bn": insert_bn(layers) for name, layers in NAMES.items()}}
    if kind not in names or criterion not in ("l1", "fro"):
        raise ValueError(
            f"expected vgg_type out of {', '.join(names)} and criterion l1 or fro in {where}, got {kind!r} and "
            f"{criterion!r}"
        )
    check_known_keys(arguments["layer_weights"], names[kind], f"{where}.layer_weights")


def _build_light(loss: Callable[..., Any], arguments: Mapping[str, Any], where: str) -> None:
    """Build a loss of BasicSR's, which look at their names then; VGG takes long, and may have to be downloaded."""
    if loss.__module__.startswith("basicsr.") and loss.__name__ != "PerceptualLoss":
        try:
            loss(**arguments)
        except NotImplementedError as error:
            raise ValueError(f"expected a loss that BasicSR has in {where}, got another: {error}") from None


def check_datasets(opt: Mapping[str, Any]) -> dict[str, Any]:
    """Check every section of ``datasets``: its type; a dataset of this package is built, which looks at its files.

    Returns:
        The datasets of this package, by their sections, such as ``val``.

    Raises:
        ValueError: the first mistake.
    """
    built = {}
    for name, section in opt["datasets"].items():
        dataset = registered_type(DATASET_REGISTRY, section, f"datasets.{name}")
        if dataset.__module__.startswith("degflow_aug."):
            each = built[name] = dataset({**section, "phase": name.split("_")[0]})
            frames = getattr(each, "frames", [])
        else:
            check_range(section, f"datasets.{name}")
            check_ffhq(section, f"datasets.{name}")
            check_range(section, f"datasets.{name}")
            frames = check_basicsr_pairs(section, opt.get("scale", section.get("scale")), f"datasets.{name}")
        if name != "train":
            check_borders(opt.get("val"), frames)
    return built
