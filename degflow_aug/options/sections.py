"""Read a section of an option file into a dataclass: unknown keys, missing ones and other types are errors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeVar, get_type_hints

from degflow_aug.options.nearest_name import nearest_name
from degflow_aug.options.values import convert

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
    every = get_type_hints(kind, include_extras=True)
    hints = {item.name: every[item.name] for item in fields(kind)}  # type: ignore[arg-type]
    check_known_keys(dict(section), hints, where)
    values = {key: convert(value, hints[key], f"{where}.{key}") for key, value in section.items()}
    missing = [item.name for item in fields(kind) if item.name not in values and _required(item)]  # type: ignore[arg-type]
    if missing:
        raise ValueError(f"expected {missing[0]} in {where}, got none; add it")
    return kind(**values)


def _required(item: Any) -> bool:
    return item.default is MISSING and item.default_factory is MISSING


def check_fields(options: Any, section: str = "degflow") -> None:
    """Check the fields of an options dataclass against their hints, however it was made.

    Args:
        options: a dataclass.
        section: the section that it is read from, for messages.

    Raises:
        ValueError: another type, or a number out of bounds; names the key.
    """
    hints = get_type_hints(type(options), include_extras=True)
    for item in fields(options):
        convert(getattr(options, item.name), hints[item.name], f"{section}.{item.name}")
