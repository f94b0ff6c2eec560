"""The scans of a JPEG file: no more than an encoder makes, and all that they have to hold.

Where data is missing libjpeg fills in gray, and Pillow does not pass its warnings on.
"""

from __future__ import annotations

import io
import re
from typing import Any

import numpy as np
from PIL import Image, ImageChops, JpegImagePlugin

from degflow_aug.files.plain_image import stored_parts

MOST_SCANS = 100
"""Of a JPEG file. Encoders make about ten; each takes as long as the whole image, and a scan of nothing few bytes."""
MOST_SCANNED = 6_400_000_000
"""Pixels of a JPEG file times its scans: 25 scans of the largest image that is read."""

# As libjpeg skips to the next marker. 01 to BF and D0 to D7 have no length there, and it refuses a second D8.
_START_OF_SCAN, _END, _MARKER = 0xDA, 0xD9, re.compile(rb"\xff([\xc0-\xcf\xd9-\xfe])")
_INTERVAL, _NO_FRAME, _LOSSLESS, _PROGRESSIVE, _ARITHMETIC = 0xDD, (0xC4, 0xC8, 0xCC), 0xC3, (0xC2, 0xCA), 0xC9
_RESTART, _END_OF_DATA = re.compile(rb"\xff([\xd0-\xd7])"), re.compile(rb"\xff+[\x01-\xfe]")
_COMPRESSION, _TABLES, _JPEG_IN_TIFF = 259, 347, 7
# Neither markers nor backslashes.
_FILLING = np.random.default_rng(0).integers(128, 255, 64, dtype=np.uint8).tobytes()


def check_scans(jpeg: bytes, pixels: int, name: str) -> bytes:
    """Check that a JPEG file goes over its pixels often enough, and no more than :data:`MOST_SCANS` times.

    Args:
        jpeg: the whole file.
        pixels: height times width.
        name: what errors call it.

    Returns:
        The file with other bytes wherever data of its scans ends. It shows the same image if all data is there:
        decoders skip what is left over, and take it for pixels where there are some to come.

    Raises:
        ValueError: more scans, or more often than :data:`MOST_SCANNED` allows; coefficients that are in no scan;
            restart markers that are missing or not in order.
    """
    most = min(MOST_SCANS, MOST_SCANNED // max(pixels, 1))
    frame, interval, scans, place, copied, parts = _Frame(0, b""), 0, 0, 2, 0, []
    while (found := _MARKER.search(jpeg, place)) is not None and found[1][0] != _END:
        marker = found[1][0]
        # Tables, thumbnails and the head of a scan may hold bytes that look like markers.
        place = found.end() + int.from_bytes(jpeg[found.end() : found.end() + 2], "big")
        content = jpeg[found.end() + 2 : place]
        if marker == _INTERVAL:
            interval = int.from_bytes(content, "big")
        elif 0xC0 <= marker < 0xD0 and marker not in _NO_FRAME:
            frame = _Frame(marker, content)
        elif marker == _START_OF_SCAN:
            scans += 1
            if scans > most:
                raise ValueError(
                    f"{name}: expected a JPEG of at most {most} scans, got more; no photograph has so many, it is "
                    "made to take long"
                )
            following = _MARKER.search(jpeg, place)
            data = jpeg[place : following.start() if following else len(jpeg)]
            restarts = frame.scan(content, data, interval, name)
            # Arithmetic coding may leave out zeros at the end.
            filling = b"" if frame.marker >= _ARITHMETIC else _FILLING
            # No more than there are restarts, or a file of nothing but markers would fill the memory.
            filled = _END_OF_DATA.sub(filling + rb"\g<0>", data.rstrip(b"\xff"), restarts + 1)
            parts += [jpeg[copied:place], filled, filling]
            place = copied = place + len(data)
    if not frame.is_whole():
        raise ValueError(f"{name}: expected a whole image, got a JPEG without some of its scans; copy or save it again")
    return b"".join([*parts, jpeg[copied:]])


def jpeg_streams(image: Any, data: bytes) -> list[bytes]:
    """List the JPEG streams that a file holds: itself, or the parts of a TIFF, each with the tables of all."""
    if image.format == "JPEG":
        return [data]
    if image.format != "TIFF" or image.tag_v2.get(_COMPRESSION) != _JPEG_IN_TIFF:
        return []
    tables = image.tag_v2.get(_TABLES, b"\xff\xd8\xff\xd9")
    return [tables[:-2] + data[place + 2 : place + size] + b"\xff\xd9" for place, size in stored_parts(image)]


def check_alike(jpeg: Any, filled: bytes, name: str) -> None:
    """Check that a JPEG stream, or its decoded image, shows the same as what :func:`check_scans` has made of it.

    Raises:
        ValueError: it does not, as its data ends early.
    """
    try:
        one = jpeg if isinstance(jpeg, Image.Image) else JpegImagePlugin.JpegImageFile(io.BytesIO(jpeg))
        other = JpegImagePlugin.JpegImageFile(io.BytesIO(filled))
        alike = ImageChops.difference(one, other).getbbox() is None
    except Exception as error:  # damaged bytes make decoders raise anything
        raise ValueError(f"{name}: expected a whole image, got damaged JPEG data ({error})") from error
    if not alike:
        raise ValueError(f"{name}: expected a whole image, got a JPEG whose data ends early; copy or save it again")


class _Frame:
    """The head of a frame, and how many low bits of each (component, coefficient) its scans have left out so far."""

    def __init__(self, marker: int, content: bytes) -> None:
        self.marker = marker
        self._sides = int.from_bytes(content[1:3], "big"), int.from_bytes(content[3:5], "big")
        self._factors = {key: (both & 15, both >> 4) for key, both in zip(content[6::3], content[7::3], strict=False)}
        self._left_out: dict[tuple[int, int], int] = {}

    def is_whole(self) -> bool:
        """Tell whether scans have brought all bits of all coefficients."""
        keys = ((component, index) for component in self._factors for index in range(64))
        return all(self._left_out.get(key) == 0 for key in keys)

    def scan(self, head: bytes, data: bytes, interval: int, name: str) -> int:
        """Take in a scan, check that its restart markers are there, in order, and count them."""
        count = int.from_bytes(head[:1], "big")
        components = head[1 : 1 + 2 * count : 2]
        first, last, approximation = (*head[1 + 2 * count : 4 + 2 * count], 0, 0, 0)[:3]
        if self.marker not in _PROGRESSIVE:
            first, last, approximation = 0, 63, 0
        for key in ((component, index) for component in components for index in range(first, last + 1)):
            # A scan that refines begins where another has ended.
            if self._left_out.get(key, 0) == approximation >> 4:
                self._left_out[key] = approximation & 15
        restarts = (self._units(components) - 1) // interval if interval else 0
        found = [marker[1][0] & 7 for marker in _RESTART.finditer(data)] if restarts else []
        if len(found) < restarts or any(mark != index % 8 for index, mark in enumerate(found[:restarts])):
            raise ValueError(f"{name}: expected a whole image, got a JPEG without some of its restart markers")
        return restarts

    def _units(self, components: bytes) -> int:
        """Count the units of a scan that an interval of restarts counts: blocks, of one component or of several."""
        unit, units = 1 if self.marker == _LOSSLESS else 8, 1
        for axis, side in enumerate(self._sides):
            most = max((factors[axis] for factors in self._factors.values()), default=1) or 1
            if len(components) == 1:
                side = -(-side * self._factors.get(components[0], (most, most))[axis] // most)
                most = 1
            units *= -(-side // (unit * most))
        return units
