"""Read a section of an option file into a dataclass: unknown keys, missing ones and other types are errors."""

from __future__ import annotations

import math
import types
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from degflow_aug.options.nearest_name import nearest_name

Options = TypeVar("Options")


def check_known_keys(section: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    """Refuse a key that nothing reads.

    Args:
        section: the options to check.
        known: the keys allowed; one that ends in ``*`` allows every key that begins so.
        where: the section's name for the message, for example ``train`` or ``datasets.train``.

    Raises:
        ValueError: names the unknown key and the nearest known one.
    """
    names = set(known)
    prefixes = tuple(name[:-1] for name in names if name.endswith("*"))
    for key in section:
        if key not in names and not (prefixes and str(key).startswith(prefixes)):
            candidates = {name for name in names if not name.endswith("*")}
            candidates |= {prefix + suffix for prefix in prefixes for suffix in ("g", "d", "opt")}
            raise ValueError(f"unknown key '{key}' in {where}{nearest_name(key, candidates)}")


def read_options(kind: type[Options], section: Mapping[str, Any], where: str) -> Options:
    """Read an options dataclass from its section of an option file.

    Raises:
        ValueError: not a mapping, an unknown key (with the nearest name), a missing one, or a value of the wrong type.
    """
    if not isinstance(section, Mapping):
        raise ValueError(f"expected a mapping in {where}, got {section!r}")
    every = get_type_hints(kind)
    hints = {item.name: every[item.name] for item in fields(kind)}  # type: ignore[arg-type]
    check_known_keys(dict(section), hints, where)
    values = {key: convert(value, hints[key], f"{where}.{key}") for key, value in section.items()}
    missing = [item.name for item in fields(kind) if item.name not in values and _required(item)]  # type: ignore[arg-type]
    if missing:
        raise ValueError(f"expected {missing[0]} in {where}, got none; add it")
    return kind(**values)


def _required(item: Any) -> bool:
    return item.default is MISSING and item.default_factory is MISSING


def convert(value: Any, hint: Any, where: str) -> Any:
    """Check a value against a type hint (float takes int, tuple takes list; nothing else changes type).

    Raises:
        ValueError: another type.
    """
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in get_args(hint):
            return None
        choices = [arg for arg in get_args(hint) if arg is not type(None)]
        fitting = (kind for kind in choices if get_origin(kind) is None and isinstance(value, kind))
        return convert(value, next(fitting, choices[0]), where)
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise ValueError(f"expected a list in {where}, got {value!r}")
        kinds = get_args(hint)
        if Ellipsis not in kinds and len(value) != len(kinds):
            raise ValueError(f"expected {len(kinds)} values in {where}, got {list(value)}")
        return tuple(convert(item, kinds[0], where) for item in value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise ValueError(f"expected float in {where}, got an integer beyond all floats") from None
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise ValueError(f"expected {hint.__name__} in {where}, got {value!r}")
    return value


def check_not_negative(options: Any) -> None:
    """Check that the numbers among the fields of an options dataclass are finite and at least 0.

    Raises:
        ValueError: one is not; names its key in ``degflow:``.
    """
    for item in fields(options):
        value = getattr(options, item.name)
        if isinstance(value, (int, float)) and not 0 <= value < math.inf:
            raise ValueError(f"expected degflow.{item.name} to be a finite number of at least 0, got {value}")
