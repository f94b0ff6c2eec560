"""What lies at a path, as a short text that other content would change: weights in full or in samples, folders."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

WHOLE_BYTES = 1 << 26
"""Files up to this size are read whole; of larger ones, pieces that lie evenly are."""
PIECES, PIECE_BYTES = 64, 1 << 18
SAMPLED_FILES = 64
"""Of a folder's files, names and sizes count, and the content of as many as this."""


def fingerprint(path: str | Path) -> str | None:
    """Digest a file, or a folder with all that lies below it; None where nothing that can be read is there."""
    path = Path(path)
    try:
        if path.is_dir():
            return fingerprint_of_files((file for file in path.rglob("*") if file.is_file()), path)
        return fingerprint_of_files([path], path.parent) if path.is_file() else None
    except (OSError, ValueError):
        return None


def fingerprint_of_files(files: Iterable[Path], folder: Path) -> str:
    """Digest files by their names below ``folder``, or what lies above it; of a single file the name does not count.

    Raises:
        OSError: one cannot be read.
    """
    digest, found = hashlib.blake2b(digest_size=16), sorted(set(files))
    sampled = {found[number * len(found) // SAMPLED_FILES] for number in range(SAMPLED_FILES)} if found else set()
    for file in found:
        if len(found) > 1:
            name = os.path.relpath(file, folder)
            digest.update(f"{name}\0{file.stat().st_size}\0".encode(errors="surrogateescape"))
        if file in sampled:
            _add_content(digest, file)
    return digest.hexdigest()


def _add_content(digest: Any, path: Path) -> None:
    size = path.stat().st_size
    with path.open("rb") as file:
        if size <= WHOLE_BYTES:
            digest.update(file.read())
            return
        digest.update(str(size).encode())
        for number in range(PIECES):
            file.seek((size - PIECE_BYTES) * number // (PIECES - 1))
            digest.update(file.read(PIECE_BYTES))
