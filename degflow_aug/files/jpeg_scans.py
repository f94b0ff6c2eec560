"""The scans of a JPEG file, which are no more than an encoder makes."""

from __future__ import annotations

import re

MOST_SCANS = 100
"""Of a JPEG file. Encoders make about ten; each takes as long as the whole image, and a scan of nothing few bytes."""
MOST_SCANNED = 6_400_000_000
"""Pixels of a JPEG file times its scans: 25 scans of the largest image that is read."""

# As libjpeg skips to the next marker. 01 to BF and D0 to D7 have no length there, and it refuses a second D8.
_START_OF_SCAN, _END, _MARKER = 0xDA, 0xD9, re.compile(rb"\xff([\xc0-\xcf\xd9-\xfe])")


def check_scans(jpeg: bytes, pixels: int, name: str) -> None:
    """Check that a JPEG file goes over its pixels no more than :data:`MOST_SCANS` times, fewer if it is large.

    Args:
        jpeg: the whole file.
        pixels: height times width.
        name: what errors call it.

    Raises:
        ValueError: it does, or more often than :data:`MOST_SCANNED` allows.
    """
    most = min(MOST_SCANS, MOST_SCANNED // max(pixels, 1))
    place, scans = 2, 0
    while (found := _MARKER.search(jpeg, place)) is not None and found[1][0] != _END:
        scans += found[1][0] == _START_OF_SCAN
        if scans > most:
            raise ValueError(
                f"{name}: expected a JPEG of at most {most} scans, got more; no photograph has so many, it is "
                "made to take long"
            )
        # Tables, thumbnails and the head of a scan may hold bytes that look like markers.
        place = found.end() + int.from_bytes(jpeg[found.end() : found.end() + 2], "big")
