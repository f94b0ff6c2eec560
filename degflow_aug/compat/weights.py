"""The weights of one network in a checkpoint, whichever trainer wrote it, and a network that is filled with them.

BasicSR 1.4.2 knows ``params``, ``params_ema`` and the prefix ``module.``, fails with a traceback at anything else, and
says of ``strict_load_g: false`` nothing that anybody could count.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DataParallel, DistributedDataParallel

from degflow_aug.console.plain_text import one_line
from degflow_aug.files.tensor_file import bare, check_weights, load_tensors

PARTS = ("params", "params_ema")
_DEEPEST, _NAMED = 3, 5
Shapes = Mapping[str, torch.Size]


def fill_network(network: nn.Module, path: str | Path, strict: bool = True, part: str | None = "params") -> None:
    """Fill a network from a checkpoint of BasicSR, of this package, or of another trainer.

    Weights lie under ``part``, or any other name, or bare; ``module.``, ``_orig_mod.`` and a name of theirs may come
    before all keys, in any order. Of several that fit, ``part`` counts, then what is named like it.

    Args:
        network: not wrapped.
        path: of ``torch.save``, or safetensors.
        strict: every weight must be there; otherwise those that are missing or of another shape stay as they are, and
            the log says how many and which.
        part: ``params``, ``params_ema``, or another name, which the checkpoint must have then.

    Raises:
        ValueError: no such file, a damaged one, one that holds code (it is not run), no part of that name, weights of
            another network, or weights that are complex or not finite.
    """
    shapes = {key: value.shape for key, value in network.state_dict().items()}
    weights, kind = find_weights(load_tensors(path), shapes, path, part), type(network).__name__
    fitting = {key: value for key, value in weights.items() if value.shape == shapes.get(key)}
    check_weights(fitting, path)
    count = f"{len(fitting)} of {len(shapes)} tensors of this {kind}"
    odd = _listed([*(key for key in weights if key not in fitting), *(key for key in shapes if key not in weights)])
    if not strict and not fitting:
        raise ValueError(f"expected some weights of this {kind} in {path}, got none that fits")
    try:
        network.load_state_dict(weights if strict else fitting, strict=strict)
    except RuntimeError:
        raise ValueError(
            f"expected weights of this {kind} in {path}, got those of another network or width: {count} fit, not {odd}"
        ) from None
    if odd and not strict:
        logging.getLogger("basicsr").warning(one_line(f"{count} loaded from {path}; left out: {odd}"))


def find_weights(content: Any, shapes: Shapes, path: str | Path, part: str | None = "params") -> dict[str, Tensor]:
    """Find the tensors of a network in what a checkpoint holds, under the network's own names.

    Args:
        content: a mapping of any depth.
        shapes: those of the network.
        path: the checkpoint, for messages.
        part: as for :func:`fill_network`.

    Raises:
        ValueError: no mapping of tensors, or no part of that name.
    """
    states = list(_states(content))
    if not states:
        raise ValueError(f"expected a checkpoint with network weights, got {path}, which holds something else")
    if part not in (None, *PARTS):
        named = [state for state in states if state[0] == part]
        if not named:
            raise ValueError(f"expected weights named {part!r} in {path} (param_key), got {_listed(list(content))}")
        states = named
    choices = [(name, each) for name, state in states for name, each in _readings(name, state, shapes)]
    # max takes the first of equals.
    choices.sort(key=lambda choice: _distance(choice[0], part or "params"))
    return max(choices, key=lambda choice: sum(choice[1][key].shape == shapes.get(key) for key in choice[1]))[1]


def _states(content: Any, name: str = "", depth: int = 0) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Every mapping with tensors, and the key that it lies under."""
    if not isinstance(content, Mapping) or depth > _DEEPEST:
        return
    tensors = {key: value for key, value in content.items() if isinstance(key, str) and isinstance(value, Tensor)}
    if tensors:
        yield name, tensors
    for key, value in content.items():
        yield from _states(value, str(key), depth + 1)


def _readings(name: str, state: Mapping[str, Tensor], shapes: Shapes) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """A state as it is and without wrappers, and the parts of it whose keys begin with a name of the network's."""
    yield name, dict(state)
    plain = bare(state)
    yield name, plain
    parts = [key.split(".") for key in plain]
    ends = [(key[:at], ".".join(key[at:])) for key in parts for at in range(1, len(key))]
    for prefix in dict.fromkeys(".".join(start) + "." for start, end in ends if end in shapes):
        inner = {key.removeprefix(prefix): value for key, value in plain.items() if key.startswith(prefix)}
        yield prefix.strip("."), bare(inner)


def _distance(name: str, part: str) -> tuple[bool, bool, bool]:
    """How far a name is from the one asked for: EMA for EMA, and the plain names before others."""
    plain = name.replace("-", "_")
    return ("ema" in plain) != ("ema" in part), plain != part, plain not in (*PARTS, "")


def _listed(names: list[Any]) -> str:
    """The first names, and how many more there are."""
    shown = ", ".join(str(name) for name in names[:_NAMED])
    return f"{shown} and {len(names) - _NAMED} more" if len(names) > _NAMED else shown


def load_network(
    self: Any, net: nn.Module, load_path: str, strict: bool = True, param_key: str | None = "params"
) -> None:
    """BasicSR's ``BaseModel.load_network``; see :func:`fill_network`."""
    whole = net.module if isinstance(net, (DataParallel, DistributedDataParallel)) else net
    fill_network(whole, load_path, strict, param_key)
    logging.getLogger("basicsr").info(one_line(f"Loading {type(whole).__name__} model from {load_path} [{param_key}]."))
