"""A command as a step of another one."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from degflow_aug.commands.shared.command_line import command_line, name_of
from degflow_aug.console.json_output import FLAG


def run_command(command: ModuleType, arguments: Sequence[str]) -> int:
    """Run a module of ``degflow_aug.commands`` with ``arguments``, as the command line would; its exit code."""
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    args = parser.parse_args(arguments)
    args.command_line = command_line([name_of(command), *arguments])
    return int(command.run(args))


def run_step(command: ModuleType, arguments: Sequence[str], as_json: bool) -> dict[str, Any]:
    """Run a command that prints for people, or with ``as_json`` returns what it would print for machines."""
    if not as_json:
        run_command(command, arguments)
        return {}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        run_command(command, [*arguments, FLAG])
    return dict(json.loads(printed.getvalue()))
