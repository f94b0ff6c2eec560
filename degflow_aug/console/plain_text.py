"""The one way to what people read: text in which nothing is left that a terminal obeys or that cannot be seen.

Names of files, cameras and keys come from anywhere. Control characters, marks of direction and of no width, and bytes
of names that are no text are written out, as Python would write them in a literal: ``\\x1b``, ``\\u202e``, ``\\xff``.
"""

from __future__ import annotations

import logging
import sys

_KEPT = frozenset("\n\t")
_BYTES_THAT_ARE_NO_TEXT = range(0xDC80, 0xDD00)


def plain_text(value: object) -> str:
    """Write out what cannot be printed in ``value``; lines and tabs stay."""
    return _written_out(str(value), _KEPT)


def one_line(value: object) -> str:
    """Write out what cannot be printed in ``value``, which is to stay on its line: the ends of lines too."""
    return _written_out(str(value), frozenset())


def say(*lines: object, error: bool = False) -> None:
    """Print ``lines``, each of which stays one, to stdout or stderr."""
    print("\n".join(map(one_line, lines)), file=sys.stderr if error else sys.stdout, flush=True)


class PlainRecords(logging.Filter):
    """Lets the messages of a logger through as plain text, to files of logs as well."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Replace the message."""
        record.msg, record.args = plain_text(record.getMessage()), ()
        return True


def _written_out(text: str, kept: frozenset[str]) -> str:
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() or letter in kept else _escape(letter) for letter in text)


def _escape(letter: str) -> str:
    number = ord(letter)
    if number in _BYTES_THAT_ARE_NO_TEXT:
        return f"\\x{number - 0xDC00:02x}"
    return letter.encode("unicode_escape").decode("ascii")
