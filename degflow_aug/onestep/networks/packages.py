"""The packages of the extra ``onestep``, asked for when they are needed and not before."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec

ONE_STEP = ("diffusers", "peft", "transformers")


def need_packages(what: str, names: tuple[str, ...] = ONE_STEP) -> None:
    """Look whether packages are installed, without importing them.

    Raises:
        ValueError: the first that is not, and the command that installs it.
    """
    for name in names:
        if find_spec(name) is None:
            raise ValueError(f"expected {name} for {what}, got none; pip install 'degflow_aug[onestep]' brings it")
    for name in names:
        if name in ("diffusers", "transformers"):
            _quieten(name)


@cache
def _quieten(library: str) -> None:
    """Bars and advice of libraries, which speak of pipelines that nobody here has asked for."""
    logging = import_module(f"{library}.utils.logging")
    logging.set_verbosity_error()
    logging.disable_progress_bar()


def in_one_line(error: Exception) -> str:
    """What a library says of a failure, without line breaks and at most 160 characters of it."""
    return " ".join(str(error).split())[:160]
