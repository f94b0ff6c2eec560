"""RealArbiSR: ``root/{split}/HR1dot5`` and ``root/{split}/LR1dot5``, a pair of folders per scale.

Each scale has HR images of its own, so that a scene has one scale. The folders are those that RealArbiSR's published
code reads. It pairs files by their order; here their names decide where they agree once HR, LR and the scale are taken
out of them, and the order only where they do not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from degflow_aug.data.layouts.scene import FoundImage, Place, folder_name
from degflow_aug.files.image_file import list_images

_FOLDER = re.compile(r"(?P<kind>HR|LR)(?P<scale>\d+(?:(?:dot|\.)\d+)?)", re.IGNORECASE)
_MARK = re.compile(r"[_-]?(?:HR|LR)[_-]?(?:x?\d+(?:(?:dot|\.)\d+)?)?", re.IGNORECASE)


def find_realarbisr(place: Place) -> Iterator[FoundImage]:
    """Find the images of RealArbiSR."""
    folders: dict[float, dict[str, Path]] = {}
    parent = place.root / place.split
    for folder in sorted(parent.iterdir()) if parent.is_dir() else ():
        if folder.is_dir() and (match := _FOLDER.fullmatch(folder.name)):
            scale = float(match["scale"].lower().replace("dot", "."))
            folders.setdefault(scale, {})[match["kind"].upper()] = folder
    if not folders:
        raise ValueError(f"{parent}: expected folders HR1dot5, LR1dot5, HR2, LR2, ... in it, got none")
    camera = folder_name(place.root)
    for scale, both in sorted(folders.items()):
        if len(both) < 2:
            (there,) = both.values()
            raise ValueError(f"{there}: expected folders HR and LR at this scale, got this one alone; add the other")
        for hr, lr in _pair_files(both["HR"], both["LR"]):
            id_ = _MARK.sub("", hr.stem) or hr.stem
            name = f"{id_}_x{scale:g}"
            yield FoundImage(camera, id_, name, 1.0, hr)
            yield FoundImage(camera, id_, name, scale, lr)


def _pair_files(hr_folder: Path, lr_folder: Path) -> list[tuple[Path, Path]]:
    """HR and LR files by name, by order where the names say nothing."""
    hr, lr = list_images(hr_folder), list_images(lr_folder)
    hr_names, lr_names = ({_MARK.sub("", path.stem): path for path in paths} for paths in (hr, lr))
    if hr_names.keys() == lr_names.keys() and len(hr_names) == len(hr) == len(lr):
        return [(path, lr_names[name]) for name, path in hr_names.items()]
    if len(hr) != len(lr):
        raise ValueError(
            f"{lr_folder}: expected as many images as in {hr_folder}, {len(hr)}, got {len(lr)}; complete the pairs"
        )
    return list(zip(hr, lr, strict=True))
