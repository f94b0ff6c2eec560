"""The known name nearest to a mistyped one; imports nothing that could be missing: the command line begins here."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest_name(name: object, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'ema_decay'?"`` for the known name nearest to ``name``, or an empty string."""
    close = difflib.get_close_matches(str(name), sorted(known), n=1)
    return f"; did you mean '{close[0]}'?" if close else ""
