"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PARTIAL_SUFFIX = ".partial"


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Write to a temporary name beside ``path``; it becomes ``path`` when the block ends well, and is removed else.

    The process id keeps two writers apart; a killed writer leaves a name that :func:`remove_partial` knows. An error
    of the system, such as a full disk, names ``path``.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}{PARTIAL_SUFFIX}")
    try:
        yield partial
        os.replace(partial, path)
    except OSError as error:
        if error.errno is not None and str(error.filename) in ("None", str(partial)):
            error.filename, error.filename2 = str(path), None
        raise
    finally:
        # On a file system that takes no more changes, what went wrong before is what there is to tell.
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def remove_partial(folder: str | Path) -> int:
    """Remove what killed writers left below ``folder``; returns how many files that were."""
    stray = list(Path(folder).rglob(f".*{PARTIAL_SUFFIX}")) if Path(folder).is_dir() else []
    for file in stray:
        file.unlink(missing_ok=True)
    return len(stray)
