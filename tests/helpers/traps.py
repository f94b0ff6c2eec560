"""Files that would run code if they were unpickled."""

from __future__ import annotations

from pathlib import Path


class CreatesFile:
    """A pickle that creates a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.path), "w")
