"""LR images that ``degflow generate`` has made, known by the manifest of their folder."""

from __future__ import annotations

from pathlib import Path

from degflow_aug.files.image_tree import is_generated_set


def is_generated(lr: Path, scale: float) -> bool:
    """Tell whether an LR image lies in ``OUT/{scale}`` of a generated set."""
    return any(folder.name == f"{scale:g}" and is_generated_set(folder.parent) for folder in lr.parents)
