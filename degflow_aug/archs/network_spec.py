"""Constructor arguments of networks: their types, and as plain types, fit for a checkpoint's header."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

_WORDS = {bool: "true or false", int: "a whole number", float: "a finite number"}


def plain(value: Any) -> Any:
    """Copy a value with mappings as dicts and sequences as lists, all the way down."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(item) for item in value]
    return value


def check_kind(kind: type[bool] | type[int] | type[float], owner: str, **arguments: object) -> None:
    """Refuse arguments of another type than ``kind``: an option file may hold anything, and Python takes it for true.

    Args:
        kind: bool; int, which bool is not; or float, which int is as well.
        owner: whose arguments they are, for the message.

    Raises:
        ValueError: names the first argument that is something else.
    """
    for name, value in arguments.items():
        fits = isinstance(value, (int, float) if kind is float else kind)
        if (
            not fits
            or (kind is not bool and isinstance(value, bool))
            or (isinstance(value, float) and not isfinite(value))
        ):
            raise ValueError(f"expected {name} of {owner} to be {_WORDS[kind]}, got {value!r}")
