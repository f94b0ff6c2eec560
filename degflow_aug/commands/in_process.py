"""A command as a step of another one."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from types import ModuleType


def run_command(command: ModuleType, arguments: Sequence[str]) -> int:
    """Run a module of ``degflow_aug.commands`` with ``arguments``, as the command line would; its exit code."""
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return int(command.run(parser.parse_args(arguments)))
