"""An error as the one sentence that the command line prints."""

from __future__ import annotations

import re
import traceback

from degflow_aug.console.plain_text import one_line

LONGEST = 2000
_WANT_OF_MEMORY = ("not enough memory", "out of memory", "can't allocate memory", "Cannot allocate memory")
_IN_WORKER = re.compile(
    r"Caught (?P<kind>\w+) in DataLoader worker .*\n(?:[\w.]+\.)?(?P=kind): (?P<said>.*)", re.DOTALL
)


_LOST_WORKER = re.compile(r"DataLoader worker \(pid(?:\(s\))? [\d, ]+\) (?P<end>[^.]*)")


def lost_worker(error: BaseException) -> str | None:
    """Say in one line that a process that loads images was ended from outside; None for another error.

    The end of the process is raised wherever its parent happens to be, and what it breaks off there may fail in turn.
    """
    if error.__context__ is not None and (said := lost_worker(error.__context__)):
        return said
    found = _LOST_WORKER.match(str(error)) if isinstance(error, RuntimeError) else None
    if found is None and not _broke_off_a_transfer(error):
        return None
    end = " ".join(found["end"].split()) if found else "broke off while it handed over a batch"
    return (
        f"expected the processes that load images to live on, got one that {end}, as where memory runs out; ask for "
        "fewer workers, and go on from what is saved"
    )


def _broke_off_a_transfer(error: BaseException) -> bool:
    """Tell whether the connection to another process failed, which is all that Python raises for a killed one."""
    if not isinstance(error, (OSError, EOFError)) or error.__traceback__ is None:
        return False
    innermost = [frame for frame, _ in traceback.walk_tb(error.__traceback__)][-1]
    return str(innermost.f_globals.get("__name__")).startswith("multiprocessing.")


def sentence(error: Exception) -> str:
    """Put an error on one line: one of the system without its number, one of a worker as it was raised there."""
    return _on_a_line(_said(error)) or type(error).__name__


def is_want_of_memory(error: Exception) -> bool:
    """Tell whether an allocation failed: Python's, that of torch on a GPU, or that of torch on the CPU."""
    return isinstance(error, MemoryError) or any(sign in str(error) for sign in _WANT_OF_MEMORY)


def _said(error: Exception) -> str:
    in_worker = _IN_WORKER.match(str(error))
    if in_worker:
        # DataLoader raises the whole traceback as the message; what the worker said is at its end.
        return re.sub(r"^\[Errno \d+\] ", "", in_worker["said"])
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename is not None else error.strerror
    return str(error)


def _on_a_line(text: str) -> str:
    """Shorten, and write out what a terminal would obey: the text may come from a file."""
    line = one_line(" ".join(text.split()))
    return line if len(line) <= LONGEST else f"{line[: LONGEST // 2]} ... {line[-LONGEST // 2 :]}"
