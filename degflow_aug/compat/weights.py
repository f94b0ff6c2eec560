"""The weights of one network in a checkpoint, whichever trainer wrote it, and a network that is filled with them.

BasicSR 1.4.2 knows ``params``, ``params_ema`` and the prefix ``module.``, fails with a traceback at anything else, and
says of ``strict_load_g: false`` nothing that anybody could count.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
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
Named = tuple[str, dict[str, Tensor]]
Choice = tuple[str, dict[str, Tensor], int]


def fill_network(
    network: nn.Module, path: str | Path, strict: bool = True, part: str | None = "params", instead: str | None = None
) -> str:
    """Fill a network from a checkpoint of BasicSR, of this package, or of another trainer, and log what was taken.

    Returns the name of what was taken, empty where weights lie bare.
    Weights lie under ``part``, or any other name, or bare; ``module.``, ``_orig_mod.`` and a name of theirs may come
    before all keys, in any order. Of several that fit, ``part`` counts, then what is named like it. A network that
    knows files with other names for its tensors renames them (``with_our_names``).

    Args:
        network: not wrapped.
        path: of ``torch.save``, or safetensors.
        strict: every weight must be there; otherwise those that are missing or of another shape stay as they are, and
            the log says how many and which.
        part: ``params``, ``params_ema``, or another name, which the checkpoint must have then.
        instead: the name to prefer where ``part`` is not there.

    Raises:
        ValueError: no such file, a damaged one, one that holds code (it is not run), no part of that name, several
            that fit as well, weights of another network, or weights that are complex, whole or not finite.
    """
    own, kind = network.state_dict(), type(network).__name__
    shapes = {key: value.shape for key, value in own.items()}
    choices = find_weights(_read_for(network, path), shapes, path, part, instead)
    name, weights, _ = choices[0]
    fitting = _fitting(weights, shapes)
    check_weights(fitting, path, counts={key for key, value in own.items() if not value.is_floating_point()})
    count = f"{len(fitting)} of {len(shapes)} tensors of this {kind}"
    rest = [key for key in weights if key not in fitting]
    odd = _listed([*rest, *(key for key in shapes if key not in weights)])
    if not strict and not fitting:
        raise ValueError(f"expected some weights of this {kind} in {path}, got none that fits")
    if len(fitting) == len(shapes) or not strict:
        _check_sole(choices, shapes, path, (part or "params", instead))
    if strict and rest and len(fitting) == len(shapes):
        raise ValueError(
            f"expected weights of this {kind} alone in {path}, got all of them and {len(rest)} more, as of "
            f"another network or a deeper one: {odd}; strict_load_g: false (strict_load_d) leaves them out"
        )
    try:
        network.load_state_dict(weights if strict else fitting, strict=strict)
    except RuntimeError:
        raise ValueError(
            f"expected weights of this {kind} in {path}, got those of another network or width: {count} fit, not {odd}"
        ) from None
    said = f"{count} loaded from {path}, {name or 'bare keys'}{_in_place_of(part, choices, shapes)}"
    log = logging.getLogger("basicsr")
    log.warning(one_line(f"{said}; left out: {odd}")) if odd else log.info(one_line(said))
    return name


def _read_for(network: nn.Module, path: str | Path) -> Any:
    content = load_tensors(path)
    rename = getattr(network, "with_our_names", None)
    return rename(content, path) if callable(rename) else content


def find_weights(
    content: Any, shapes: Shapes, path: str | Path, part: str | None = "params", instead: str | None = None
) -> list[Choice]:
    """Find the tensors of a network in what a checkpoint holds, under the network's own names.

    Args:
        content: a mapping of any depth.
        shapes: those of the network.
        path: the checkpoint, for messages.
        part, instead: as for :func:`fill_network`.

    Returns:
        Names, tensors and how deep they lie, the best first.

    Raises:
        ValueError: no mapping of tensors, or no part of that name.
    """
    states = list(_states(content))
    if not states:
        raise ValueError(
            f"expected network weights below at most {_DEEPEST} names in {path}, got a file that holds something else"
        )
    found = [(state, name, each) for state, tensors in states for name, each in _readings(state, tensors, shapes, path)]
    choices = [
        (name, each, state.count("."))
        for state, name, each in found
        if part in (None, *PARTS, state, _last(state), name)
    ]
    if not choices:
        raise ValueError(f"expected weights named {part!r} in {path} (param_key), got {_listed(list(content))}")
    # Sorting leaves equals in their order; of one name, what has nothing beside the network comes first.
    choices.sort(key=lambda choice: len(choice[1].keys() - shapes.keys()))
    choices.sort(key=lambda choice: (_distance(choice[0], part or "params", instead), choice[2]))
    return sorted(choices, key=lambda choice: -len(_fitting(choice[1], shapes)))


def _fitting(weights: Mapping[str, Tensor], shapes: Shapes) -> dict[str, Tensor]:
    return {key: value for key, value in weights.items() if value.shape == shapes.get(key)}


def _check_sole(choices: Sequence[Choice], shapes: Shapes, path: str | Path, asked: tuple[str, str | None]) -> None:
    """Refuse to choose between other weights that fit as well and are named as little like those asked for."""
    first, best, top = choices[0][0], _fitting(choices[0][1], shapes), choices[0][2]
    for name, weights, depth in choices[1:]:
        fitting = _fitting(weights, shapes)
        if len(fitting) < len(best) or (_distance(name, *asked), depth) != (_distance(first, *asked), top):
            return
        if any(key not in fitting or not _same(fitting[key], value) for key, value in best.items()):
            raise ValueError(
                f"expected weights named {asked[0]!r} in {path}, got two others that fit, {first} and {name}; "
                "name one of them as path.param_key_g (param_key_d for network_d)"
            )


def _in_place_of(part: str | None, choices: Sequence[Choice], shapes: Shapes) -> str:
    """What to add where another name was taken than the one asked for."""
    taken = choices[0][0]
    if part in (None, taken, _last(taken)) or (part, taken) == ("params", ""):
        return ""
    fits = [len(_fitting(weights, shapes)) for name, weights, _ in choices if name == part]
    return f" in place of {part}, " + (f"of which {max(fits)} fit" if fits else "which is not there")


def _states(content: Any, name: str = "", depth: int = 0) -> Iterator[Named]:
    """Every mapping with tensors, and the keys that it lies under, with dots between them."""
    if not isinstance(content, Mapping) or depth > _DEEPEST:
        return
    tensors = {key: value for key, value in content.items() if isinstance(key, str) and isinstance(value, Tensor)}
    if tensors:
        yield name, tensors
    for key, value in content.items():
        yield from _states(value, f"{name}.{key}" if name else str(key), depth + 1)


def _readings(name: str, state: Mapping[str, Tensor], shapes: Shapes, path: str | Path) -> Iterator[Named]:
    """A state as it is and without wrappers, the parts of it whose keys begin with a name, and what an EMA leaves."""
    yield name, dict(state)
    plain = bare(state, path)
    yield name, plain
    parts = [key.split(".") for key in plain]
    ends = [(key[:at], ".".join(key[at:])) for key in parts for at in range(1, len(key))]
    for prefix in dict.fromkeys(".".join(start) + "." for start, end in ends if end in shapes):
        inner = {key.removeprefix(prefix): value for key, value in plain.items() if key.startswith(prefix)}
        yield prefix.strip("."), bare(inner, path)
        if "ema" in prefix.lower() and len(_fitting(bare(inner, path), shapes)) == len(shapes):
            plain = {key: value for key, value in plain.items() if not key.startswith(prefix)}
    yield name, plain


def _same(first: Tensor, second: Tensor) -> bool:
    # Torch compares neither tensors of 8 bits nor those of two types.
    return first is second or torch.equal(first.float(), second.float())


def _last(name: str) -> str:
    """The innermost of the keys in a name."""
    return name.rpartition(".")[2]


def _distance(name: str, part: str, instead: str | None) -> tuple[bool, ...]:
    """How far a name is from the one asked for: EMA for EMA, and the plain names before others."""
    plain = name.replace("-", "_").lower()
    alike = ("ema" in plain) == ("ema" in part)
    inner = _last(plain)
    return not alike, part not in (plain, inner), name != instead, inner not in (*PARTS, ""), name != part


def _listed(names: list[Any]) -> str:
    """The first names, and how many more there are."""
    shown = ", ".join(str(name) for name in names[:_NAMED])
    return f"{shown} and {len(names) - _NAMED} more" if len(names) > _NAMED else shown


def load_network(
    self: Any, net: nn.Module, load_path: str, strict: bool = True, param_key: str | None = "params"
) -> None:
    """BasicSR's ``BaseModel.load_network``; see :func:`fill_network`."""
    whole = net.module if isinstance(net, (DataParallel, DistributedDataParallel)) else net
    fill_network(whole, load_path, strict, param_key, named_for_ema(self, param_key))


def named_for_ema(model: Any, part: str | None) -> str | None:
    """The name in ``param_key_g``: an EMA without weights of its own begins with those of its network."""
    return (model.opt.get("path") or {}).get("param_key_g") if part == "params_ema" and model is not None else None
