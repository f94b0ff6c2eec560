"""stdout and stderr of a command: plain text only, and work goes on where nobody takes what it says."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from degflow_aug.console.plain_text import plain_text, say

BROKEN_PIPE = 141
# What tqdm writes to move about on a terminal; a bar of its own begins with a carriage return.
_MOVES = re.compile(r"[\r\n]*(?:\x1b\[A)*")


class PlainStream:
    """Stands in for a stream; all else than :meth:`write` and :meth:`flush` is that of the stream.

    Attributes:
        failure: the first error of writing, after which the rest is dropped; None while all was written.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.failure: OSError | None = None

    def write(self, text: str) -> int:
        """Write ``text`` as plain text that the stream's encoding has."""
        self._try(lambda: self.stream.write(self._fitting(text)))
        return len(text)

    def flush(self) -> None:
        """Flush."""
        self._try(self.stream.flush)

    def _try(self, act: Callable[[], object]) -> None:
        if self.failure is not None:
            return
        try:
            act()
        except OSError as failure:
            self.failure = failure
            # What the stream still holds would fail once more when Python ends.
            with suppress(OSError), open(os.devnull, "wb") as nowhere:
                os.dup2(nowhere.fileno(), self.stream.fileno())

    def _fitting(self, text: str) -> str:
        if self.stream.isatty() and _MOVES.fullmatch(text):
            return text
        start = "\r" if text.startswith("\r") else ""
        plain = plain_text(text.removeprefix(start))
        if not plain.isascii():
            encoding = self.stream.encoding or "utf-8"
            plain = plain.encode(encoding, "backslashreplace").decode(encoding)
        return start + plain if self.stream.isatty() else plain

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextmanager
def plain_streams() -> Iterator[PlainStream]:
    """Let ``sys.stdout`` and ``sys.stderr`` be plain ones inside; gives the first."""
    before = sys.stdout, sys.stderr
    _fill_standard_numbers()
    out, err = PlainStream(before[0] or _closed()), PlainStream(before[1] or _closed())
    sys.stdout, sys.stderr = out, err  # type: ignore[assignment]
    try:
        yield out
    finally:
        out.flush()
        err.flush()
        sys.stdout, sys.stderr = before


def unless_unsaid(out: PlainStream, code: int) -> int:
    """Return the exit code of a command that ends with ``code``: another than 0 where what it printed is not there.

    A reader who has gone, such as ``head``, knows; of a full disk there is a sentence.
    """
    out.flush()
    if out.failure is None or code:
        return code
    if isinstance(out.failure, BrokenPipeError):
        return BROKEN_PIPE
    said = out.failure.strerror or out.failure
    say(f"degflow: expected to write to stdout, got: {said}; the work is done, but not all of it is said", error=True)
    return 1


def _fill_standard_numbers() -> None:
    """Open the standard streams that are closed on nothing, or the next file would be written to as one of them."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def _closed() -> TextIO:
    """A stream for one that Python has found closed: writing to it fails."""
    return open(os.open(os.devnull, os.O_RDONLY), "w", encoding="utf-8")
