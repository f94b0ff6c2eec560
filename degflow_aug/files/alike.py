"""Names that look alike and differ: an accented letter is one character or two, as Linux and macOS write it."""

from __future__ import annotations

import unicodedata
from pathlib import Path


def composed(text: str) -> str:
    """Write every accented letter as one character (Unicode's form NFC)."""
    return unicodedata.normalize("NFC", text)


def look_alike(path: str | Path) -> str:
    """Say, of a path that is not there, that one is that looks the same; nothing where none does."""
    for part in (Path(path), *Path(path).parents):
        try:
            names = [other.name for other in part.parent.iterdir()] if not part.exists() else []
        except OSError:
            continue
        if any(composed(name) == composed(part.name) for name in names):
            return "; one is there that looks the same, with accents in another Unicode form (NFC or NFD); rename it"
    return ""
