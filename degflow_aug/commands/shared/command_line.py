"""The command line that a command was given, as one would type it again."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from types import ModuleType


def command_line(arguments: Sequence[str]) -> str:
    """``degflow`` with its arguments."""
    return shlex.join(["degflow", *arguments])


def started_as(args: argparse.Namespace) -> str:
    """The command line that these arguments come from; empty where nobody has kept it."""
    return str(getattr(args, "command_line", ""))


def name_of(command: ModuleType) -> str:
    """The name of a module of ``degflow_aug.commands`` on the command line."""
    return command.__name__.rpartition(".")[2]
