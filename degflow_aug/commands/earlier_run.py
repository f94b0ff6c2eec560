"""An earlier run of the same name, which BasicSR renames as soon as another one starts."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def given_back_if_nothing_comes_of_it(folders: Sequence[Path], states: Path) -> Iterator[None]:
    """Undo BasicSR's renaming where what runs inside the block fails before it has saved anything.

    What the failed run has written is kept beside, as ``NAME_failed_TIME``.

    Args:
        folders: those that BasicSR renames to ``NAME_archived_TIME`` and makes anew.
        states: where training states are saved.
    """
    before = {folder: archives(folder) for folder in folders}
    try:
        yield
    except Exception:
        if not any(states.glob("*.state")):
            for folder in folders:
                for archive in sorted(archives(folder) - before[folder])[-1:]:
                    failed = folder.with_name(archive.name.replace("_archived_", "_failed_"))
                    if folder.exists() and not failed.exists():
                        folder.rename(failed)
                        archive.rename(folder)
        raise


def archives(folder: Path) -> set[Path]:
    """The earlier folders of this name."""
    return set(folder.parent.glob(f"{glob.escape(folder.name)}_archived_*"))
