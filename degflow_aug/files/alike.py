"""Names that look alike and differ: an accented letter is one character or two, as Linux and macOS write it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from pathlib import Path

from degflow_aug.files.notice import notice


def composed(text: str) -> str:
    """Write every accented letter as one character (Unicode's form NFC)."""
    return unicodedata.normalize("NFC", text)


def say_alike(folder: Path, names: Iterable[str]) -> None:
    """Say which two of the names in a folder look alike."""
    seen: dict[str, str] = {}
    for name in names:
        if seen.setdefault(composed(name), name) != name:
            notice(f"{folder}: two files look alike, {composed(name)}, with accents in two Unicode forms (NFC and NFD)")


def look_alike(path: str | Path) -> str:
    """Say, of a path that is not there, that one is that looks the same; nothing where none does."""
    for part in (Path(path), *Path(path).parents):
        try:
            names = [other.name for other in part.parent.iterdir()] if not part.exists() else []
        except OSError:
            continue
        # A link that leads nowhere is not there under its own name.
        if any(composed(name) == composed(part.name) and name != part.name for name in names):
            return "; one is there that looks the same, with accents in another Unicode form (NFC or NFD); rename it"
    return ""
