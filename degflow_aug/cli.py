"""``degflow``: finds the command, parses its options, and prints a mistake as one sentence.

Every command is a module of ``degflow_aug.commands`` with ``add_arguments(parser)`` and ``run(args) -> int``. It is
imported when it is named, and imports what is heavy when it runs, so that help never waits for torch.
"""

from __future__ import annotations

import argparse
import importlib
import os
import re
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from degflow_aug import __version__
from degflow_aug.commands.sentence import lost_worker, sentence
from degflow_aug.yaml_options import nearest_name

COMMANDS = {
    "fit": "learn a camera from its pairs: both stages, one bundle",
    "train": "train from a BasicSR option file, with our models and datasets registered",
    "test": "test a trained network from a BasicSR option file: metrics by scale, images",
    "noise": "teach a bundle the noise of its real pairs, which degflow fit has done already",
    "generate": "write the LR images of a folder of HR images at any scales",
    "evaluate": "compare a bundle's views with real ones, beside the baselines",
    "bundles": "list the bundles that ship with the package, or say all of one",
    "convert": "make a bundle of DegFlow's official checkpoints",
    "demo": "the whole way on photographs that come with scikit-image, on a CPU, in minutes",
}
_NEGATIVE_NUMBER = re.compile(r"-\d+|-\d*\.\d+")


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are ValueErrors of one sentence; options are written out in full."""

    def __init__(self, prog: str, description: str, epilog: str | None = None) -> None:
        super().__init__(
            prog=prog,
            description=description,
            epilog=epilog,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    def error(self, message: str) -> NoReturn:
        """Raise ``message`` as a ValueError."""
        raise ValueError(message if message.endswith("?") else f"{message}; see {self.prog} --help")

    def parse(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Parse ``arguments``.

        Raises:
            ValueError: an unknown option (with the nearest known one), a missing one, or a bad value.
        """
        for argument in arguments:
            if argument == "--":
                break
            option = argument.partition("=")[0]
            is_option = option.startswith("-") and option != "-" and not _NEGATIVE_NUMBER.fullmatch(argument)
            if is_option and option not in self._option_string_actions:
                known = nearest_name(option, self._option_string_actions)
                raise ValueError(f"unknown option {option} of {self.prog}{known or f'; see {self.prog} --help'}")
        return self.parse_args(arguments)


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``degflow`` with ``argv`` (``sys.argv`` by default) and return its exit code.

    0 is done, 1 done in part (the command says what is missing), 2 a mistake, said in one sentence on stderr with
    nothing half-written, 130 and 143 interrupted. ``DEGFLOW_TRACEBACK=1`` shows where a mistake was found.
    """
    try:
        with _ended_by_sigterm():
            return _run(list(sys.argv[1:] if argv is None else argv))
    except KeyboardInterrupt:
        print("degflow: interrupted", file=sys.stderr)
        return 130
    except Exception as error:
        said = lost_worker(error) or (sentence(error) if isinstance(error, (ValueError, OSError)) else None)
        if said is None or os.environ.get("DEGFLOW_TRACEBACK") == "1":
            raise
        print(f"degflow: {said}", file=sys.stderr)
        return 2


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """SIGTERM ends a command as an error would, so that it leaves nothing half-written, and with exit code 143.

    Commands that train save first: they take the signal themselves, see :mod:`degflow_aug.models.interrupt`.
    """
    owner = os.getpid()

    def end(number: int, frame: FrameType | None) -> None:
        if os.getpid() != owner:
            # A worker forked from this process has nothing to clean up.
            os._exit(128 + number)
        raise SystemExit(128 + number)

    mine = threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    if mine:
        signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        if mine:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _run(arguments: list[str]) -> int:
    names = ", ".join(COMMANDS)
    if not arguments:
        raise ValueError(f"expected a command ({names}), got none; see degflow --help")
    name = arguments[0]
    if name.startswith("-"):
        top = _top_parser()
        top.parse(arguments)
        raise ValueError(f"expected a command ({names}) before its options, got {name}; see degflow --help")
    if name not in COMMANDS:
        raise ValueError(f"expected a command ({names}), got '{name}'{nearest_name(name, COMMANDS)}")
    command = importlib.import_module(f"degflow_aug.commands.{name}")
    parser = Parser(f"degflow {name}", COMMANDS[name][0].upper() + COMMANDS[name][1:] + ".")
    command.add_arguments(parser)
    return int(command.run(parser.parse(arguments[1:])))


def _top_parser() -> Parser:
    width = max(map(len, COMMANDS))
    table = "\n".join(f"  {name:{width}}  {summary}" for name, summary in COMMANDS.items())
    parser = Parser(
        "degflow",
        "Learns a real camera's degradation from a few HR-LR pairs and feeds it to training.",
        f"commands:\n{table}\n\n"
        "degflow COMMAND --help tells more; DEGFLOW_TRACEBACK=1 shows where a mistake was found.",
    )
    parser.usage = "degflow COMMAND [options]"
    parser.add_argument("--version", action="version", version=f"degflow_aug {__version__}")
    return parser
