"""What a mistyped name was meant to be; imports nothing that could be missing, as the command line begins with it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest_name(name: object, known: Iterable[str]) -> str:
    """``"; did you mean 'ema_decay'?"`` for the known name nearest to ``name``, or an empty string."""
    close = difflib.get_close_matches(str(name), sorted(known), n=1)
    return f"; did you mean '{close[0]}'?" if close else ""
