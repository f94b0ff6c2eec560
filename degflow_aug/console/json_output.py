"""``--json``: the results of a command as one JSON object on stdout; all else goes to stderr."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import math
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

FLAG = "--json"


def add_json_argument(parser: argparse.ArgumentParser) -> None:
    """Add the option."""
    parser.add_argument(FLAG, action="store_true", help="print one JSON object, for machines; all else goes to stderr")


def plain(value: Any) -> Any:
    """``value`` as JSON has it: no tuples, data classes or paths, and null for infinity and NaN.

    Raises:
        TypeError: something that has no place in JSON.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {f"{key:g}" if isinstance(key, float) else str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    raise TypeError(f"expected a value that JSON has, got {type(value).__name__}")


def print_json(value: Any) -> None:
    """Print ``value`` as the one document."""
    # The one control character that JSON leaves as it is.
    print(json.dumps(plain(value), allow_nan=False, ensure_ascii=True).replace("\x7f", "\\u007f"), flush=True)


def said_to_people(args: argparse.Namespace) -> AbstractContextManager[object]:
    """Send what the block prints to stderr under ``--json``."""
    return contextlib.redirect_stdout(sys.stderr) if args.json else contextlib.nullcontext()
