"""A network without its weights: what its arguments would make of the memory, and whether weights fit it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

MOST_PARAMETERS = 2**31
"""8 GiB in float32, thirty times the largest networks for super-resolution."""


class TooLargeError(ValueError):
    """A network of more than ``MOST_PARAMETERS`` parameters."""


def outline(network: Callable[..., nn.Module], arguments: Mapping[str, Any]) -> nn.Module:
    """Build the network on the device ``meta``, where shapes take no memory.

    Raises:
        TooLargeError: more than ``MOST_PARAMETERS`` parameters.
        Exception: what its constructor raises.
    """
    with torch.device("meta"):
        made = network(**arguments)
    count = sum(value.numel() for value in made.parameters())
    if count > MOST_PARAMETERS:
        raise TooLargeError(f"expected a network of at most {MOST_PARAMETERS} parameters, got one of {count}")
    return made


def check_weights_fit(
    network: Callable[..., nn.Module], arguments: Mapping[str, Any], state: Mapping[str, Tensor]
) -> None:
    """Look whether weights fit the network of these arguments before it takes the memory that they ask for.

    Raises:
        TooLargeError: as :func:`outline`.
        RuntimeError: what ``load_state_dict`` says of weights that do not.
    """
    outline(network, arguments).load_state_dict(dict(state), assign=True)
