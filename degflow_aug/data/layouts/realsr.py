"""RealSR: ``root/{camera}/{split}/{scale}/{Cam}_{id}_HR.png`` and ``_LR{scale}.png``.

``realsr`` is version 2, where the HR images of all scales are equal: that of the lowest scale is taken. In
version 3, ``realsr_v3``, each scale has HR images of its own, so that a scene has one view.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from degflow_aug.data.layouts.scene import FoundImage, Place, folders
from degflow_aug.data.layouts.scene_files import one_per_scale
from degflow_aug.files.image_file import images_in
from degflow_aug.files.image_tree import say_left_out

_FILE = re.compile(r"(?P<name>.*?(?P<id>[^_]+))_(?:HR|LR(?P<scale>\d+(?:\.\d+)?))", re.IGNORECASE)
_SCALE = re.compile(r"[xX]?(\d+(?:\.\d+)?)")


def find_realsr(place: Place) -> Iterator[FoundImage]:
    """Find the images of RealSR version 2: one HR image per scene."""
    return _find(place.root, place.split, own_hr=False)


def find_realsr_v3(place: Place) -> Iterator[FoundImage]:
    """Find the images of RealSR version 3: each scale of a scene is a scene of its own."""
    return _find(place.root, place.split, own_hr=True)


def _find(root: Path, split: str, own_hr: bool) -> Iterator[FoundImage]:
    cameras = [(folder.name, child) for folder in folders(root) for child in folders(folder)]
    splits = [(camera, folder) for camera, folder in cameras if folder.name.lower() == split.lower()]
    if not splits:
        raise ValueError(f"{root}: expected folders {{camera}}/{split}/{{scale}}, got none{_hint(root, split)}")
    for camera, folder in splits:
        named = [(match, child) for child in folders(folder) if (match := _SCALE.fullmatch(child.name))]
        scales = one_per_scale((float(match[1]), child) for match, child in named)
        if not scales:
            raise ValueError(f"{folder}: expected a folder per scale (2, 3, 4), got none")
        say_left_out(folder, [child / "any" for child in scales.values()])
        lowest = min(scales)
        for scale, child in sorted(scales.items()):
            yield from _find_scale(camera, child, scale, keep_hr=own_hr or scale == lowest, own_hr=own_hr)


def _hint(root: Path, split: str) -> str:
    if any(folder.name.lower() == split.lower() for folder in folders(root)):
        return "; this is the folder of one camera, name the one that holds it"
    return ""


def _find_scale(camera: str, folder: Path, scale: float, keep_hr: bool, own_hr: bool) -> Iterator[FoundImage]:
    found = []
    for path in images_in(folder):
        match = _FILE.fullmatch(path.stem)
        if match is None:
            continue
        if match["scale"] and float(match["scale"]) != scale:
            raise ValueError(f"{path}: expected views at scale {scale:g} in this folder, got one at {match['scale']}")
        found.append(path)
        name = f"{match['name']}_x{scale:g}" if own_hr else match["name"]
        if match["scale"] or keep_hr:
            yield FoundImage(camera, match["id"], name, scale if match["scale"] else 1.0, path)
    if not found:
        raise ValueError(f"{folder}: expected {{Cam}}_{{id}}_HR.png and {{Cam}}_{{id}}_LR{scale:g}.png, got none")
    say_left_out(folder, found)
