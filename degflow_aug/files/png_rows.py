"""Whether a PNG file holds the rows that its header speaks of.

Pillow ends at the end of the compressed data and leaves rows that were not there black, without a word; libpng prints
to stderr what it minds, past Python.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
# Adam7: left, top, and the steps to the next column and row of each pass.
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_OF_PIXELS = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
_START = 8
_BLOCK = 1 << 20


def may_lack_rows(image: Any) -> bool:
    """Whether one of the last two rows of a decoded Pillow image is black, as rows are that were not in the file."""
    width, height = image.size
    last = np.asarray(image.crop((0, max(0, height - 2), width, height)))
    return not last.reshape(len(last), -1).any(1).all()


def has_its_rows(data: bytes) -> bool:
    """Inflate the rows of a whole PNG file and count their bytes: neither fewer nor more than the header says."""
    header = data[_START + 8 : _START + 21]
    width, height = int.from_bytes(header[:4], "big"), int.from_bytes(header[4:8], "big")
    bits = header[8] * _CHANNELS.get(header[9], 0)
    expected = sum(
        rows * (1 + (columns * bits + 7) // 8) for columns, rows in _passes(width, height, header[12]) if columns
    )
    return _inflated(data, expected + 1) == expected


def _passes(width: int, height: int, interlaced: int) -> Iterator[tuple[int, int]]:
    """(columns, rows) of each pass."""
    for left, top, right, down in _PASSES if interlaced else ((0, 0, 1, 1),):
        yield max(0, -(-(width - left) // right)), max(0, -(-(height - top) // down))


def _inflated(data: bytes, enough: int) -> int:
    """Bytes of the compressed data, counted until there are enough."""
    stream, count = zlib.decompressobj(), 0
    for kind, chunk in _chunks(data):
        rest = chunk[8:-4] if kind == b"IDAT" else b""
        while rest and not stream.eof and count < enough:
            count += len(stream.decompress(rest, _BLOCK))
            rest = stream.unconsumed_tail
    return count


def only_pixels(data: bytes) -> bytes:
    """The PNG file without what describes it: colour profiles, of which libpng would complain on stderr, and text."""
    return data[:_START] + b"".join(chunk for kind, chunk in _chunks(data) if kind in _OF_PIXELS)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and bytes of each chunk, from its length to its checksum."""
    place = _START
    while place + 8 <= len(data):
        end = place + 12 + int.from_bytes(data[place : place + 4], "big")
        yield data[place + 4 : place + 8], data[place:end]
        place = end
