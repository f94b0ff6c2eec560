"""Text of other programs: in UTF-8 or UTF-16, with a mark of byte order or without, with any ends of lines."""

from __future__ import annotations

import codecs
import os
import re
from pathlib import Path

_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_SHAPE = re.compile(r"\s*\((\s*[0-9]{1,9}\s*(?:,\s*[0-9]{1,9}\s*){1,2})\)(?:\s+[0-9]+)?$")


def decode(data: bytes, errors: str = "strict") -> str:
    """Decode the bytes of a text file.

    Args:
        data: the whole file, or its beginning.
        errors: for UTF-8; ``surrogateescape`` keeps names of files that are no text.

    Raises:
        UnicodeDecodeError: neither UTF-8 nor UTF-16.
    """
    encoding = next((name for mark, name in _MARKS.items() if data.startswith(mark)), None)
    if encoding is None and b"\0" in data[:2] and len(data) % 2 == 0:
        # Text begins with a letter of ASCII, and no file name holds the zero that is then beside it.
        encoding = "utf-16-be" if data[0] == 0 else "utf-16-le"
    return data.decode(encoding) if encoding else data.decode("utf-8", errors)


def check_no_pipe(path: Path) -> None:
    """Raise a ValueError for a pipe, which would be waited for; to that of a shell's ``<(...)`` somebody writes."""
    if path.is_fifo() and path.parts[:2] != ("/", "dev"):
        raise ValueError(f"{path}: expected a file of text, got a pipe; copy it to a file")


def read_lines(path: Path, errors: str = "strict") -> list[str]:
    """Read the lines of a file that are not empty, without blanks around them; ``errors`` is as for :func:`decode`.

    Raises:
        ValueError: no text, or a pipe.
        OSError: it cannot be read.
    """
    check_no_pipe(path)
    try:
        text = decode(path.read_bytes(), errors)
    except UnicodeDecodeError:
        raise ValueError(f"{path}: expected text in UTF-8 or UTF-16, got another file") from None
    lines = (line.strip(" \t") for line in re.split(r"\r\n|\n|\r", text))
    return [line for line in lines if line]


def split_listed(line: str) -> tuple[str, tuple[int, ...]]:
    """Split a line of such a list into the name and the shape, empty where none stands there."""
    shape = _SHAPE.search(line)
    return (line[: shape.start()], tuple(map(int, shape[1].split(",")))) if shape else (line, ())


def read_listed(path: Path) -> dict[str, tuple[int, ...]]:
    """Read a list of images as BasicSR writes it: of ``IMG (1).png (64,80,3) 1`` the name and the shape.

    The shape is empty where none stands there.

    Raises:
        ValueError, OSError: as :func:`read_lines`, and an image that is listed twice, also with another suffix.
    """
    listed: dict[str, tuple[int, ...]] = {}
    seen: dict[str, str] = {}
    for line in read_lines(path, "surrogateescape"):
        name, shape = split_listed(line)
        first = seen.setdefault(os.path.splitext(os.path.normpath(name))[0], name)
        if name in listed or first != name:
            raise ValueError(f"{path}: expected each image once, got '{first}' and '{name}'; take one line out")
        listed[name] = shape
    return listed
