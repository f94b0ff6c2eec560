"""What the value of an option may be, as a type hint: a value is checked against it, and a hint is told in words.

A hint is ``bool``, ``int``, ``float``, ``str``, ``Mapping``, ``Literal["a", "b"]``, ``tuple[X, ...]`` for a list,
``tuple[X, X]`` for as many values, ``Mapping[str, X]``, ``X | None``, ``Annotated[int, Between(1, 9)]``, or anything
else for a value that is not looked into but for numbers without end.
"""

from __future__ import annotations

import math
import re
import reprlib
import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

BEYOND = 2**63
_WORDS: dict[Any, str] = {
    bool: "true or false", int: "whole number", float: "number", str: "text", Mapping: "mapping", dict: "mapping",
}  # fmt: skip
_LIKE_PLAIN = re.compile(r"(?i)true|false|[-+]?[0-9.]+(e[-+]?[0-9]+)?")
_LONGEST = 80
# A list that aliases make endless is not written out to be cut.
_short = reprlib.Repr()
_short.maxlevel, _short.maxlist, _short.maxtuple, _short.maxdict = 3, _LONGEST // 3, _LONGEST // 3, _LONGEST // 3
_short.maxstring, _short.maxlong, _short.maxother = 4 * _LONGEST, 2 * _LONGEST, 4 * _LONGEST


@dataclass(frozen=True)
class Between:
    """The least and the largest number that an option may be.

    Attributes:
        low, high: both included.
        open: low is not, or high is not: ``low``, ``high`` or empty.
    """

    low: float = -math.inf
    high: float = math.inf
    open: str = ""

    def holds(self, value: float) -> bool:
        """Whether a number lies between the two."""
        above = value > self.low if self.open == "low" else value >= self.low
        return above and (value < self.high if self.open == "high" else value <= self.high)

    def __str__(self) -> str:
        low, high = (f"{end:.10g}" for end in (self.low, self.high))
        if self.low == -math.inf:
            return f"of at most {high}"
        if self.high == math.inf:
            return f"above {low}" if self.open == "low" else f"of at least {low}"
        if self.open == "low":
            return f"above {low}, at most {high}"
        return f"from {low} to {'below ' if self.open == 'high' else ''}{high}"


Count = Annotated[int, Between(1, 10**9)]
CountFrom0 = Annotated[int, Between(0, 10**9)]
Pixels = Annotated[int, Between(0, 2**16)]
Share = Annotated[float, Between(0, 1)]
Amount = Annotated[float, Between(0, 1e9)]
Scale = Annotated[float, Between(1, 1000)]
Steps = Annotated[int, Between(1, 1000)]
Tolerance = Annotated[float, Between(1e-12, 1)]
"""Of an adaptive solver."""
Side = Annotated[int, Between(1, 2**16)]


def convert(value: Any, hint: Any, where: str) -> Any:
    """Check a value against a hint; float takes int, int a whole float such as 5e3, tuple a list, all take NumPy's.

    Args:
        value: what an option file holds.
        hint: see above.
        where: the option's name for the message, for example ``train.ema_decay``.

    Returns:
        The value in the type of the hint.

    Raises:
        ValueError: another type, a number out of bounds, NaN or infinity.
    """
    origin = get_origin(hint)
    if getattr(value, "ndim", None) == 0:
        value = value.item()
    if origin is Annotated:
        kind, *limits = get_args(hint)
        found = convert(value, kind, where) if _is_of(value, kind) else _refuse(value, hint, where)
        return found if all(limit.holds(found) for limit in limits) else _refuse(value, hint, where)
    if origin in (Union, types.UnionType):
        return _one_of(value, hint, where)
    if origin is tuple:
        return _sequence(value, get_args(hint), where)
    if origin is Literal:
        return value if any(value == name and type(value) is type(name) for name in get_args(hint)) else _refuse(
            value, hint, where
        )  # fmt: skip
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping) and get_args(hint):
        return {key: convert(item, get_args(hint)[1], f"{where}.{key}") for key, item in _mapping(value, where).items()}
    if hint not in _WORDS:
        check_numbers(value, where)
        return value
    if not _is_of(value, hint):
        _refuse(value, hint, where)
    return hint(value) if hint in (int, float) else value


def _is_of(value: Any, kind: Any) -> bool:
    """Whether a value is of a plain type; numbers have to be finite, and whole where the type is int."""
    if kind not in (int, float):
        return kind not in _WORDS or isinstance(value, kind)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < BEYOND:
        return False
    return kind is float or isinstance(value, int) or value.is_integer()


def _one_of(value: Any, hint: Any, where: str) -> Any:
    choices = get_args(hint)
    if value is None and type(None) in choices:
        return None
    choices = tuple(choice for choice in choices if choice is not type(None))
    if len(choices) == 1:
        return convert(value, choices[0], where)
    for choice in choices:
        try:
            return convert(value, choice, where)
        except ValueError:
            continue
    return _refuse(value, hint, where)


def _sequence(value: Any, kinds: tuple[Any, ...], where: str) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"expected a list in {where}, got {shown(value)}")
    if Ellipsis not in kinds and len(value) != len(kinds):
        raise ValueError(f"expected {len(kinds)} values in {where}, got {shown(list(value))}")
    return tuple(convert(item, kinds[0], where) for item in value)


def _mapping(value: Any, where: str) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        _refuse(value, Mapping, where)
    return dict(value)


def _refuse(value: Any, hint: Any, where: str) -> Any:
    words = in_words(hint)
    article = "a " if words.startswith(("number", "whole number", "mapping")) else ""
    advice = "; give it a value, or take the key out" if value is None else ""
    if isinstance(value, str) and _LIKE_PLAIN.fullmatch(value):
        advice = "; write it without quotes"
    raise ValueError(f"expected {article}{words} in {where}, got {shown(value)}{advice}")


def shown(value: Any) -> str:
    """A value as a sentence quotes it, shortened."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**_LONGEST:
        return "an integer beyond all bounds"
    text = "nothing" if value is None else _short.repr(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 4]} ..."


def check_numbers(value: Any, where: str) -> None:
    """Look for numbers that are not finite, or beyond 64 bits, however deep they lie.

    Raises:
        ValueError: the first.
    """
    if isinstance(value, Mapping):
        for key, item in value.items():
            check_numbers(item, f"{where}.{key}")
    elif isinstance(value, (list, tuple)):
        for item in value:
            check_numbers(item, where)
    elif isinstance(value, (int, float)) and not abs(value) < BEYOND:
        _refuse(value, float, where)


def settle(section: dict[Any, Any], hints: Mapping[str, Any], where: str) -> None:
    """Check the values of a section, and write whole numbers that look like others, such as 5e3, as whole ones.

    Args:
        section: changed in place.
        hints: by key; a key that ends in ``*`` is for all that begin so. Others are not looked at.
        where: the section's name for messages; empty for the top level.

    Raises:
        ValueError: as :func:`convert`.
    """
    prefixes = {key[:-1]: hint for key, hint in hints.items() if key.endswith("*")}
    for key, value in section.items():
        first = [hint for prefix, hint in prefixes.items() if str(key).startswith(prefix)]
        hint = hints.get(key, first[0] if first else None)
        if hint is not None:
            section[key] = _as_written(value, convert(value, hint, f"{where}.{key}" if where else str(key)))


def _as_written(value: Any, converted: Any) -> Any:
    if isinstance(value, list) and isinstance(converted, tuple):
        return [_as_written(*pair) for pair in zip(value, converted, strict=True)]
    return converted if isinstance(value, float) and isinstance(converted, int) else value


def in_words(hint: Any) -> str:
    """A hint in words: what an option file has to hold."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return " ".join((in_words(parts[0]), *map(str, parts[1:])))
    if set(parts) == {int, float}:
        return "number"
    if origin in (Union, types.UnionType):
        return _either(in_words(part) for part in parts if part is not type(None))
    if origin is Literal:
        return _either(str(part) for part in parts)
    if origin is tuple:
        return f"{'a list' if Ellipsis in parts else f'{len(parts)} values'}: {in_words(parts[0])}"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"mapping: {in_words(parts[1])}"
    return _WORDS.get(hint, "anything")


def _either(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} or {last}" if most else last
