"""Files of one scene: each image has one of its own, and each scale one place."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar

_Item = TypeVar("_Item", str, Path)


def one_per_scale(found: Iterable[tuple[float, _Item]]) -> dict[float, _Item]:
    """Collect folders or templates by their scale.

    Raises:
        ValueError: two of one scale, such as ``2`` and ``2.0``.
    """
    places: dict[float, _Item] = {}
    for scale, place in found:
        if scale in places:
            raise ValueError(f"{place}: expected one place for scale {scale:g}, got {places[scale]} as well; keep one")
        places[scale] = place
    return places


def check_own_files(name: str, files: Mapping[float, Path]) -> None:
    """Look whether the images of a scene are different files, also once links are followed.

    Args:
        name: of the scene.
        files: by scale, HR at 1.

    Raises:
        ValueError: one file for two scales, or HR as its own LR.
    """
    seen: dict[str, float] = {}
    for scale, path in sorted(files.items()):
        first = seen.setdefault(os.path.realpath(path), scale)
        if first != scale:
            other = "HR" if first == 1 else f"LR at scale {first:g}"
            raise ValueError(
                f"{path}: expected an image of its own for scale {scale:g} of scene '{name}', got the file that is "
                f"{other} too; name the folder or template of the LR images"
            )
