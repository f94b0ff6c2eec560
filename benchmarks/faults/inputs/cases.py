"""What a case of the campaign is, and the valid inputs that cases are made of."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch

KERNEL, TINY = "kernel.safetensors", "tiny.safetensors"


@dataclass(frozen=True)
class Case:
    """One malformed input and the command that is to refuse it.

    Attributes:
        argv: arguments of ``degflow``.
        environment: additions to it.
        changed: the malformed file; None where it is an argument.
        logs: lines before the sentence are a log.
    """

    argv: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    changed: Path | None = None
    logs: bool = False


Make = Callable[[random.Random, Path, Path], Case]


@dataclass(frozen=True)
class Reader:
    """One kind of input.

    Attributes:
        cases: how many of the whole campaign.
        make: writes the input of a case below a folder, from the valid ones in another.
        largest: arguments with the largest valid input of the kind, below the folder of valid ones.
    """

    name: str
    cases: int
    make: Make
    largest: Callable[[Path, Path], list[str]]


def pairs_of(folder: Path) -> list[str]:
    """Options of commands that read the pairs in a folder."""
    return [str(folder), "--layout", "pattern", "--pattern", str(folder / "pattern.yml")]


@cache
def options_of(path: Path) -> Any:
    """The content of a valid option file."""
    return json.loads(path.read_text(encoding="utf-8"))


@cache
def content_of(path: Path) -> Any:
    """The content of a valid checkpoint."""
    return torch.load(path, map_location="cpu", weights_only=True)
