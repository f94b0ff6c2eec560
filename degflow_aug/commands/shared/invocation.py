"""Running one command inside another, and BasicSR's pipelines as functions."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import logging
import pickle
import sys
import traceback
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

from degflow_aug.commands.shared.arguments import command_line
from degflow_aug.console.json_output import FLAG
from degflow_aug.console.sentence import sentence

# Of a RuntimeError: weights of another network, and models that BasicSR has for GPUs alone.
_OF_OPTIONS = ("loading state_dict", "NVIDIA driver")


def run_command(command: ModuleType, arguments: Sequence[str]) -> int:
    """Run a module of ``degflow_aug.commands`` with ``arguments``, as the command line would; return its exit code."""
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    args = parser.parse_args(arguments)
    args.command_line = command_line([command.__name__.rpartition(".")[2], *arguments])
    return int(command.run(args))


def run_step(command: ModuleType, arguments: Sequence[str], as_json: bool) -> dict[str, Any]:
    """Run a command that prints for people, or with ``as_json`` return what it would print for machines."""
    if not as_json:
        run_command(command, arguments)
        return {}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        run_command(command, [*arguments, FLAG])
    return dict(json.loads(printed.getvalue()))


@contextlib.contextmanager
def argv_as(program: str, arguments: list[str]) -> Iterator[None]:
    """Let ``sys.argv``, where BasicSR's pipelines read their options, be ``program`` and ``arguments``."""
    before = sys.argv
    sys.argv = [program, *arguments]
    try:
        yield
    finally:
        sys.argv = before


@contextlib.contextmanager
def option_mistakes(path: str, verb: str) -> Iterator[None]:
    """Make a sentence of what Python says of options that BasicSR looks at only when it uses them.

    Args:
        path: the option file.
        verb: what BasicSR does with it, train or test.

    Raises:
        ValueError: such a mistake, or weights of another network.
    """
    kinds = (LookupError, TypeError, AttributeError, NotImplementedError, AssertionError, pickle.UnpicklingError)
    try:
        yield
    except (*kinds, RuntimeError) as mistake:
        if not isinstance(mistake, kinds) and not any(each in str(mistake) for each in _OF_OPTIONS):
            raise
        if isinstance(mistake, KeyError) and (reader := _reader_of_options(mistake)):
            raise ValueError(
                f"expected the key {mistake.args[0]} in {path}, which BasicSR's {reader} reads, got none; add it"
            ) from mistake
        said = f"{type(mistake).__name__}: {sentence(mistake)}"
        raise ValueError(
            f"expected options that BasicSR can {verb} with in {path}, got {said}; DEGFLOW_TRACEBACK=1 shows where"
        ) from mistake


def _reader_of_options(mistake: KeyError) -> str:
    """Name the class or function of BasicSR's that looked for a key; empty where nothing of BasicSR's did."""
    frame = [each for each, _ in traceback.walk_tb(mistake.__traceback__)][-1]
    of_basicsr = str(frame.f_globals.get("__name__")).startswith("basicsr.")
    return (
        (type(frame.f_locals["self"]).__name__ if "self" in frame.f_locals else frame.f_code.co_name)
        if of_basicsr
        else ""
    )


class _Messages(logging.Handler):
    def __init__(self, start: str) -> None:
        super().__init__(logging.INFO)
        self.start = start
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if message.startswith(self.start):
            self.found.append(message.rstrip())


@contextlib.contextmanager
def logged_messages(start: str) -> Iterator[list[str]]:
    """Collect the messages to BasicSR's logger inside the block that begin with ``start``."""
    logger, handler = logging.getLogger("basicsr"), _Messages(start)
    level = logger.level
    # Whoever asks BasicSR for its logger before the pipeline does leaves it at warnings.
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield handler.found
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
