"""What lies at a path, as a short text that other content would change: files in full or in pieces, folders."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from degflow_aug.files.image_tree import walk
from degflow_aug.files.plain_image import PNG_END, PNG_START

WHOLE_BYTES, PIECES = 1 << 26, 64
"""A file up to this size is read whole; of a larger one, as many pieces that lie evenly, the first and last among them.

Formats that are compressed, and torch's, end in checksums of what comes before.
"""
FOLDER_BYTES, LEAST_BYTES = 1 << 29, 1 << 16
"""Of the files of a folder, as much is read as this in all, every file alike, but of each the least."""


def fingerprint(path: str | Path, skip: Collection[str] = ()) -> str | None:
    """Digest a file, or a folder with all that lies below it; None where nothing that can be read is there.

    Args:
        path: links are followed and hidden folders are not, as where images are looked for.
        skip: folders of these names are left out.
    """
    path = Path(path)
    try:
        if path.is_dir():
            return fingerprint_of_files((file for file in walk(path, names=skip) if file.is_file()), path)
        return fingerprint_of_files([path], path.parent) if path.is_file() else None
    except (OSError, ValueError):
        return None


def fingerprint_of_files(files: Iterable[Path], folder: Path) -> str:
    """Digest files by their names below ``folder``, or what lies above it; of a single file the name does not count.

    Raises:
        OSError: one cannot be read.
    """
    digest, found = hashlib.blake2b(digest_size=16), sorted(set(files))
    share = min(WHOLE_BYTES, max(LEAST_BYTES, FOLDER_BYTES // max(1, len(found))))
    for file in found:
        if len(found) > 1:
            name = os.path.relpath(file, folder)
            digest.update(f"{name}\0{file.stat().st_size}\0".encode(errors="surrogateescape"))
        _add_content(digest, file, share)
    return digest.hexdigest()


def digest_of(written: bytes | None) -> str:
    """Digest what has been written to a file, for :func:`is_as_written`."""
    return hashlib.blake2b(written or b"", digest_size=16).hexdigest()


def is_as_written(found: bytes | None, digest: str | None) -> bool:
    """Tell whether a PNG file is as it was written.

    Args:
        found: its bytes now, None where it is missing.
        digest: of its bytes when it was written. Earlier versions kept none: then it must begin and end as PNG does.
    """
    if digest is None:
        return found is not None and found.startswith(PNG_START) and found.endswith(PNG_END)
    return digest_of(found) == digest


def same_content(one: Path, other: Path) -> bool:
    """Whether two files are the same, by their sizes and, above 256 KiB, by pieces.

    Raises:
        OSError: one cannot be read.
    """
    if one.stat().st_size != other.stat().st_size:
        return False
    digests = [hashlib.blake2b(digest_size=16) for _ in range(2)]
    for digest, path in zip(digests, (one, other), strict=True):
        _add_content(digest, path, 1 << 18)
    return digests[0].digest() == digests[1].digest()


def _add_content(digest: Any, path: Path, most: int) -> None:
    size = path.stat().st_size
    with path.open("rb") as file:
        if size <= most:
            digest.update(file.read())
            return
        digest.update(str(size).encode())
        length = max(1, most // PIECES)
        for number in range(PIECES):
            file.seek((size - length) * number // (PIECES - 1))
            digest.update(file.read(length))
