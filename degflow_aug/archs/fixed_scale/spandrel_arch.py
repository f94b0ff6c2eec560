"""Networks of spandrel, which BasicSR lacks: HAT, DAT, DRCT, ATD and others."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from torch import nn


def SpandrelNetwork(*, architecture: str, **arguments: Any) -> nn.Module:
    """A network of the package spandrel, with its own names for tensors, so that its authors' weights fit.

    Args:
        architecture: its name there, such as HAT.
        arguments: those of its constructor there.

    Raises:
        ValueError: spandrel is not installed, or has no such network.
        TypeError: an argument that it does not take.
    """
    try:
        import_module("spandrel")
    except ImportError:
        raise ValueError(
            f"expected the package spandrel for its network {architecture}, got none; pip install "
            "'degflow_aug[networks]'"
        ) from None
    try:
        # Their folders hold a network of the same name.
        network = getattr(import_module(f"spandrel.architectures.{architecture}"), str(architecture))
    except (ImportError, AttributeError):
        raise ValueError(f"expected a network of spandrel, such as HAT, got {architecture!r}") from None
    built: nn.Module = network(**arguments)
    return built
