"""Limits on what a file may hold beside tensors and pixels: lists and mappings that are neither deep nor endless.

A reader that builds values by reference (YAML's aliases, pickle's memo) makes a few hundred bytes stand for as many
values as there are atoms, and a list that holds itself; whoever walks, copies or prints those never ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

DEEPEST = 64
MOST_VALUES = 1_000_000


def check_plain(value: Any, where: str) -> None:
    """Look whether a value is as small and as flat as anything that people write.

    Args:
        value: mappings, lists, tuples and sets of anything.
        where: what errors call it.

    Raises:
        ValueError: more than ``DEEPEST`` levels, or more than ``MOST_VALUES`` values if shared ones are written out.
    """
    if _count(value, {}, 0, where) > MOST_VALUES:
        raise ValueError(f"expected at most {MOST_VALUES} values in {where}, got more; write fewer, or fewer aliases")


def _count(value: Any, known: dict[int, int], depth: int, where: str) -> int:
    """How many values a value stands for; each container is looked at once."""
    if not isinstance(value, (Mapping, list, tuple, set, frozenset)):
        return 1
    if depth > DEEPEST:
        raise ValueError(f"expected at most {DEEPEST} levels in {where}, got more, or a list that holds itself")
    if id(value) not in known:
        items: Iterable[Any] = value.values() if isinstance(value, Mapping) else value
        known[id(value)] = 1 + sum(_count(item, known, depth + 1, where) for item in items)
    return known[id(value)]
