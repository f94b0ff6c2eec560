"""RealArbiSR: ``root/{split}/HR1dot5`` and ``root/{split}/LR1dot5``, a pair of folders per scale.

Each scale has HR images of its own, so that a scene has one scale. The folders are those that RealArbiSR's published
code reads. It pairs files by their order; here their names do, once HR, LR and the scale are taken out of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from degflow_aug.data.layouts.scene import FoundImage, Place, folder_name
from degflow_aug.data.layouts.scene_files import one_per_scale
from degflow_aug.files.image_file import images_in
from degflow_aug.files.image_tree import say_left_out

_FOLDER = re.compile(r"(?P<kind>HR|LR)(?P<scale>\d+(?:(?:dot|\.)\d+)?)", re.IGNORECASE)


def find_realarbisr(place: Place) -> Iterator[FoundImage]:
    """Find the images of RealArbiSR."""
    parent = place.root / place.split
    inside = sorted(path for path in parent.iterdir() if path.is_dir()) if parent.is_dir() else []
    matches = [(match, folder) for folder in inside if (match := _FOLDER.fullmatch(folder.name))]
    folders: dict[float, dict[str, Path]] = {}
    for kind in ("HR", "LR"):
        of_kind = [(match["scale"], folder) for match, folder in matches if match["kind"].upper() == kind]
        found = one_per_scale((float(text.lower().replace("dot", ".")), folder) for text, folder in of_kind)
        for scale, folder in found.items():
            folders.setdefault(scale, {})[kind] = folder
    if not folders:
        raise ValueError(f"{parent}: expected folders HR1dot5, LR1dot5, HR2, LR2, ... in it, got none")
    say_left_out(parent, [folder / "any" for both in folders.values() for folder in both.values()])
    camera = folder_name(place.root)
    for scale, both in sorted(folders.items()):
        if len(both) < 2:
            (there,) = both.values()
            raise ValueError(f"{there}: expected folders HR and LR at this scale, got this one alone; add the other")
        for kind, folder in both.items():
            images = images_in(folder)
            if not images:
                raise ValueError(f"{folder}: expected images, got none")
            say_left_out(folder, images)
            for path in images:
                id_ = _without_marks(path.stem, scale)
                yield FoundImage(camera, id_, f"{id_}_x{scale:g}", 1.0 if kind == "HR" else scale, path)


def _without_marks(stem: str, scale: float) -> str:
    """Take HR, LR and the scale out of a name: of 001_LR2, 001x2 and LR2_001 at scale 2 is left 001, of lr_2 is left 2.

    What stands around a mark is parted by ``_``, so that 1_LR_2 is not 12.
    """
    number, word = f"{scale:g}".replace(".", r"(?:\.|dot)"), r"(?<![a-z])(?:HR|LR)(?![a-z])"
    for mark in (rf"{word}[_-]?x?{number}(?!\d)|x{number}$", word):
        parts = re.split(rf"[_-]?(?:{mark})[_-]?", stem, flags=re.IGNORECASE)
        stem = "_".join(part for part in parts if part) or stem
    return stem
