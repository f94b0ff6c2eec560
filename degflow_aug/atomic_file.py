"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PARTIAL_SUFFIX = ".partial"


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A temporary name beside ``path`` that becomes ``path`` when the block ends well, and is removed when not.

    The process id keeps two writers apart; a killed writer leaves a name that :func:`remove_partial` knows.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}{PARTIAL_SUFFIX}")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def remove_partial(folder: str | Path) -> int:
    """Remove what killed writers left below ``folder``; returns how many files that were."""
    stray = list(Path(folder).rglob(f".*{PARTIAL_SUFFIX}")) if Path(folder).is_dir() else []
    for file in stray:
        file.unlink(missing_ok=True)
    return len(stray)
