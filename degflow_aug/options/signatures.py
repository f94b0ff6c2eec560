"""Arguments of networks and losses in an option file: of the kind that the constructor's signature shows."""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from degflow_aug.options.values import Amount, Between, check_numbers, settle

LARGEST = 2**16
_SIZE = Annotated[int, Between(0, LARGEST)]
_WIDTH = Annotated[int, Between(1, LARGEST)]
_WIDTHS = ("_ch", "feat", "dim", "chans", "channels")
_NUMBER = Annotated[int | float, Between(-LARGEST, LARGEST)]
_REAL = Annotated[float, Between(-LARGEST, LARGEST)]
_NAMED: dict[str, Any] = {"layer_weights": Mapping[str, Amount], "gan_type": str}
_SIZES = re.compile(r"num_\w+|upscale|\w*(?:_ch|size|dim|depth|head|block|channel|chan|feat)s?")
_OURS = ("degflow_aug.", "basicsr.")


def settle_arguments(constructor: Callable[..., Any], section: dict[Any, Any], where: str) -> None:
    """Check the arguments that a section gives a class of BasicSR's or of this package; see :func:`settle`.

    Those of other packages are looked at for numbers without end: their defaults may stand beside other types.

    Args:
        constructor: the class.
        section: its ``type`` and arguments; whole numbers written as 5e3 become whole ones.
        where: the section's name for messages.

    Raises:
        ValueError: a value of another type or out of bounds, or a key that is no name.
    """
    for key in section:
        if not isinstance(key, str):
            raise ValueError(f"expected names of arguments in {where}, got {key!r}")
    if str(getattr(constructor, "__module__", "")).startswith(_OURS):
        settle(section, argument_hints(constructor), where)
    check_numbers(section, where)


def argument_hints(constructor: Callable[..., Any]) -> dict[str, Any]:
    """What the arguments of a class may be, by its annotations, or else by the defaults."""
    try:
        annotated = get_type_hints(vars(constructor).get("__init__", constructor))
        parameters = inspect.signature(constructor).parameters
    except (NameError, TypeError, ValueError):
        return {}
    return {
        name: _NAMED.get(name) or _bounded(annotated[name] if name in annotated else _like(name, parameter.default))
        for name, parameter in parameters.items()
        if parameter.kind not in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    }


def _like(name: str, default: Any) -> Any:
    """The hint of an argument that has none, from its default."""
    is_size = _SIZES.fullmatch(name) is not None
    size = _WIDTH if name.endswith(_WIDTHS) else _SIZE
    if default is inspect.Parameter.empty:
        return size if name.startswith("num_") else Any
    if isinstance(default, bool) or default is None:
        return bool if isinstance(default, bool) else Any
    if isinstance(default, int) and is_size:
        return size | _list_of(size) if name.endswith("size") else size
    if isinstance(default, (int, float)):
        return Amount if name.endswith("weight") else _NUMBER if isinstance(default, int) else _REAL
    if isinstance(default, str):
        return str | None
    if isinstance(default, (list, tuple)) and default:
        return _list_of(_like(name, default[0]))
    return Mapping if isinstance(default, Mapping) else Any


def _list_of(hint: Any) -> Any:
    return types.GenericAlias(tuple, (hint, ...))


def _bounded(hint: Any) -> Any:
    """An annotation as :mod:`degflow_aug.options.values` knows it, whole numbers with bounds."""
    origin, parts = get_origin(hint), get_args(hint)
    if hint is int:
        return Annotated[int, Between(-LARGEST, LARGEST)]
    if origin in (Union, types.UnionType):
        return Union[tuple(_bounded(part) for part in parts)]  # noqa: UP007 - their number is not known
    if origin is Sequence:
        return _list_of(_bounded(parts[0]))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return Mapping
    plain = hint in (bool, float, str, type(None), Mapping) or origin is Annotated or origin is tuple
    return hint if plain or hint is Any or hint == (str | None) else Any
