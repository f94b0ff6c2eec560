"""What the official release's networks are compared by."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor


def official_shapes(fixtures: Path, part: str) -> dict[str, tuple[int, ...]]:
    """Shapes by key of the official ``encoder``, ``decoder`` or ``model``, in their order."""
    lines = [line.split(" ", 2) for line in (fixtures / "keys_full.txt").read_text().splitlines()]
    return {
        key: tuple(int(side) for side in rest[1 : rest.index(")")].split(",") if side.strip())
        for name, key, rest in lines
        if name == part
    }


def relative(found: Tensor, truth: Tensor) -> float:
    """The largest difference as a share of the largest true value."""
    return float((found - truth).detach().abs().max() / truth.detach().abs().max())
