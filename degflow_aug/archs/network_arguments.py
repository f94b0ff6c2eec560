"""Constructor arguments of networks: their types, and as plain types, fit for a checkpoint's header.

And what they make without weights: how much memory a network would take, and whether weights fit it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

MOST_PARAMETERS = 2**31
"""8 GiB in float32, thirty times the largest networks for super-resolution."""
MOST_TENSORS = 20_000
"""Of parameters, ten times as many as the deepest of those have."""
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


class TooLargeError(ValueError):
    """A network of more than ``MOST_PARAMETERS`` parameters, or of more tensors than ``MOST_TENSORS``."""


def outline(network: Callable[..., nn.Module], arguments: Mapping[str, Any], device: str = "meta") -> nn.Module:
    """Build the network, on the device ``meta`` where shapes take no memory, and stop where it grows too large.

    Raises:
        TooLargeError: more than ``MOST_PARAMETERS`` parameters, or than ``MOST_TENSORS`` tensors of them.
        Exception: what its constructor raises.
    """
    numbers = tensors = 0

    def count(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        nonlocal numbers, tensors
        if parameter is not None:
            numbers, tensors = numbers + parameter.numel(), tensors + 1
        if numbers > MOST_PARAMETERS:
            raise TooLargeError(f"expected a network of at most {MOST_PARAMETERS} parameters, got one of {numbers}")
        if tensors > MOST_TENSORS:
            raise TooLargeError(f"expected a network of at most {MOST_TENSORS} tensors, got one of more")

    hook = register_module_parameter_registration_hook(count)
    try:
        with torch.device(device):
            return network(**arguments)
    finally:
        hook.remove()


def check_weights_fit(
    network: Callable[..., nn.Module], arguments: Mapping[str, Any], state: Mapping[str, Tensor]
) -> None:
    """Look whether weights fit the network of these arguments before it takes the memory that they ask for.

    Raises:
        TooLargeError: as :func:`outline`.
        RuntimeError: what ``load_state_dict`` says of weights that do not.
    """
    outline(network, arguments).load_state_dict(dict(state), assign=True)
