"""``degflow``: find the command, parse its options, and print a mistake as one sentence.

Every command is a module of ``degflow_aug.commands`` with ``add_arguments(parser)`` and ``run(args) -> int``. It is
imported when it is named, and imports what is heavy when it runs, so that help never waits for torch.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import re
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from degflow_aug import __version__
from degflow_aug.commands.shared.arguments import command_line, process_of_group
from degflow_aug.console.json_output import FLAG, print_json
from degflow_aug.console.plain_text import say
from degflow_aug.console.progress import note
from degflow_aug.console.sentence import is_want_of_memory, lost_worker, sentence
from degflow_aug.console.streams import plain_streams, unless_unsaid
from degflow_aug.files.home_path import at_home
from degflow_aug.options.nearest_name import nearest_name

COMMANDS = {
    "align": "bring photographs of scenes at several focal lengths to one grid, as pairs for fit",
    "fit": "learn a camera from its pairs: all stages, one bundle",
    "train": "train from a BasicSR option file, with our models and datasets registered",
    "test": "test a trained network from a BasicSR option file: metrics by scale, images",
    "options": "list the option files that come with the package, or print one",
    "noise": "teach a bundle the noise of its real pairs, which degflow fit has done already",
    "distill": "teach a bundle's generator to a small student that makes training LR at a fraction of its cost",
    "generate": "write the LR images of a folder of HR images at any scales",
    "upscale": "enlarge photographs and folders by a trained network, at any scale that it has",
    "trajectories": "make FLUX's noise-image pairs, on which FluxSR is trained",
    "preview": "show one image at all scales next to other degradations: a page with a slider, and a picture",
    "evaluate": "compare a bundle's views, and those of the baselines, with real ones",
    "report": "write one page that shows a fit or a training run",
    "bundles": "list the bundles that ship with the package, or say all of one",
    "convert": "make a bundle of DegFlow's official checkpoints",
    "demo": "the whole way on photographs that come with scikit-image, on a CPU, in minutes",
    "doctor": "what works on this machine, what does not, and the command that fixes it",
}
IN_PARTS = ("train", "fit", "generate")
"""Commands that share their work between the processes that torchrun starts."""
_GROUP = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
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
        """Parse ``arguments``; paths in them may begin with ``~`` or ``$HOME``, also behind ``=``.

        Raises:
            ValueError: an unknown option (with the nearest known one), a missing one, one that is given twice and
                counts once, or a bad value.
        """
        given: dict[str, str] = {}
        for argument in arguments:
            if argument == "--":
                break
            option = argument.partition("=")[0]
            is_option = option.startswith("-") and option != "-" and not _NEGATIVE_NUMBER.fullmatch(argument)
            if is_option and option not in self._option_string_actions:
                known = nearest_name(option, self._option_string_actions)
                raise ValueError(f"unknown option {option} of {self.prog}{known or f'; see {self.prog} --help'}")
            if is_option:
                action = self._option_string_actions[option]
                before = given.setdefault(action.dest, "")
                # One that takes no value says the same again, unless it is the other of --this and --no-this.
                if (
                    before
                    and not isinstance(action, argparse._AppendAction)
                    and (action.nargs != 0 or before != option)
                ):
                    raise ValueError(f"expected {option} once, got it after {before}; its last value alone would count")
                given[action.dest] = option
        return self.parse_args([_at_home(argument) for argument in arguments])


def _at_home(argument: str) -> str:
    name, _, value = argument.partition("=")
    # ~ alone is null where a value of an option file stands behind the sign.
    return f"{name}={at_home(value)}" if "/" in value else at_home(argument)


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``degflow`` with ``argv`` (``sys.argv`` by default) and return its exit code.

    0 is done, 1 done in part (the command says what is missing), 2 a mistake, said in one sentence on stderr with
    nothing half-written, 130 and 143 interrupted, 141 done with nobody to read what it prints. With ``--json`` the
    sentence stands on stdout too, as ``error``. ``DEGFLOW_TRACEBACK=1`` shows where a mistake was found.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    _keep_libraries_quiet()
    logging.getLogger("degflow_aug").handlers = [_Notes()]
    with plain_streams() as out:
        try:
            code = _outcome(arguments)
        except SystemExit as end:
            # --help and --version end so, and a command that a signal has stopped.
            raise SystemExit(unless_unsaid(out, end.code) if isinstance(end.code, int) else end.code) from None
        except Exception:
            if argv is not None:
                raise
            # Python would print it past what keeps the terminal safe.
            traceback.print_exc()
            code = 1
        return unless_unsaid(out, code)


def _outcome(arguments: list[str]) -> int:
    """Return the exit code of the command; a mistake of the program itself is raised."""
    try:
        with _ended_by_sigterm():
            return _run(arguments)
    except KeyboardInterrupt:
        _say("interrupted", arguments)
        return 130
    except Exception as error:
        said = _said_of(error)
        if said is None or os.environ.get("DEGFLOW_TRACEBACK") == "1":
            raise
        _say(said, arguments)
        return 2


def _said_of(error: Exception) -> str | None:
    """Return the sentence about an error outside the program, or None for a mistake of its own."""
    if lost := lost_worker(error):
        return lost
    if isinstance(error, (ValueError, OSError)):
        return sentence(error)
    if isinstance(error, ImportError) and not (error.name or "").startswith("degflow_aug"):
        return f"expected libraries that can be imported, got {sentence(error)}; degflow doctor shows what is missing"
    if isinstance(error, (MemoryError, RuntimeError)) and is_want_of_memory(error):
        return f"expected memory for what was asked for, got too little: {sentence(error)}"
    return None


def _keep_libraries_quiet() -> None:
    """Silence Pillow's warnings about damaged images, and errors of writing a line of a log.

    Such an image is refused or good enough, and a full disk or a lost worker is reported where it matters.
    """
    logging.raiseExceptions = False
    warnings.filterwarnings("ignore", module=r"PIL\.")
    logging.getLogger("PIL").addHandler(logging.NullHandler())


class _Notes(logging.Handler):
    """Says what the package logs as a note of the command."""

    def emit(self, record: logging.LogRecord) -> None:
        """Say it."""
        note(record.getMessage())


def _say(said: str, arguments: Sequence[str]) -> None:
    say(f"degflow: {said}", error=True)
    if FLAG in arguments:
        print_json({"error": said})


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end a command as an error does, with exit code 143, so that nothing is left half-written.

    Commands that train save first: they take the signal themselves, see :mod:`degflow_aug.models.training.interrupt`.
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
    if arguments[:1] in ([], ["help"]):
        arguments = [*arguments[1:2], "--help", *arguments[2:]]
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
    args = parser.parse(arguments[1:])
    args.command_line = command_line(arguments)
    if name in IN_PARTS:
        return int(command.run(args))
    return _run_once(lambda: int(command.run(args)), name)


def _run_once(run: Callable[[], int], name: str) -> int:
    """Run a command in the first of torchrun's processes; the others would write over its results."""
    rank, world = process_of_group()
    if world < 2:
        return run()
    if rank > 0:
        return 0
    note(f"degflow {name} works in one process; the others of torchrun have nothing to do")
    group = {variable: os.environ.pop(variable) for variable in _GROUP if variable in os.environ}
    try:
        return run()
    finally:
        os.environ.update(group)


def _top_parser() -> Parser:
    width = max(map(len, COMMANDS))
    table = "\n".join(f"  {name:{width}}  {summary}" for name, summary in COMMANDS.items())
    parser = Parser(
        "degflow",
        "Learns a real camera's degradation from a few HR-LR pairs and feeds it to training.",
        f"commands:\n{table}\n\ndegflow help COMMAND tells more; DEGFLOW_TRACEBACK=1 shows where a mistake was found.",
    )
    parser.usage = "degflow COMMAND [options]"
    parser.add_argument("-V", "--version", action="version", version=f"degflow_aug {__version__}")
    return parser
