"""What lies at a path, as a short text that other content would change: weights in full or in samples, folders."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

WHOLE_BYTES = 1 << 26
"""Files up to this size are read whole; of larger ones, pieces that lie evenly are."""
PIECES, PIECE_BYTES = 64, 1 << 18
SAMPLED_FILES = 64
"""Of a folder's files, names and sizes count, and the content of as many as this."""


def fingerprint(path: str | Path) -> str | None:
    """Digest a file, or a folder with all that lies below it; None where nothing that can be read is there."""
    path, digest = Path(path), hashlib.blake2b(digest_size=16)
    try:
        if path.is_dir():
            files = sorted(file for file in path.rglob("*") if file.is_file())
            sampled = {files[number * len(files) // SAMPLED_FILES] for number in range(SAMPLED_FILES)} if files else ()
            for file in files:
                digest.update(f"{file.relative_to(path).as_posix()}\0{file.stat().st_size}\0".encode(errors="replace"))
                if file in sampled:
                    _add_content(digest, file)
        elif path.is_file():
            _add_content(digest, path)
        else:
            return None
    except (OSError, ValueError):
        return None
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
