"""Paths below somebody's home, as a shell has them: ``~/photographs``, ``~name/photographs``, ``$HOME/photographs``."""

from __future__ import annotations

import os
import re
from pathlib import Path

_HOME = re.compile(r"\$(?:HOME|\{HOME\})(?=/|$)")


def at_home(path: str) -> str:
    """Put the folder for ``~``, ``~name`` or ``$HOME`` at the beginning; other paths stay, also ``~`` of nobody."""
    if _HOME.match(path):
        path = _HOME.sub("~", path, count=1)
    return os.path.expanduser(path)


def home_path(path: str | os.PathLike[str]) -> Path:
    """:func:`at_home` as a path."""
    return Path(at_home(os.fspath(path)))
