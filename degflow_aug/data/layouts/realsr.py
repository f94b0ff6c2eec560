"""RealSR: ``root/{camera}/{split}/{scale}/{Cam}_{id}_HR.png`` and ``_LR{scale}.png``.

``realsr`` is version 2, where the HR images of all scales are equal: that of the lowest scale is taken, once the others
have been compared with it. In version 3, ``realsr_v3``, each scale has HR images of its own, so that a scene has one
view.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from degflow_aug.data.layouts.scene import FoundImage, Place, Scene, folders
from degflow_aug.data.layouts.scene_files import one_per_scale
from degflow_aug.files.fingerprint import same_content
from degflow_aug.files.image_file import image_size, images_in, read_image
from degflow_aug.files.image_tree import say_left_out
from degflow_aug.files.notice import notice

_FILE = re.compile(r"(?P<name>.*?(?P<id>[^_]+))_(?:HR|LR(?P<scale>\d+(?:\.\d+)?))", re.IGNORECASE)
_SCALE = re.compile(r"[xX]?(\d+(?:\.\d+)?)")
_ALIKE = 0.95
"""Correlation of one scene that was registered twice; of two scenes it is far lower."""


def find_realsr(place: Place) -> Iterator[FoundImage]:
    """Find the images of RealSR version 2: one HR image per scene."""
    return _find(place.root, place.split, own_hr=False)


def find_realsr_v3(place: Place) -> Iterator[FoundImage]:
    """Find the images of RealSR version 3: each scale of a scene is a scene of its own."""
    return _find(place.root, place.split, own_hr=True)


def check_one_hr(scenes: Sequence[Scene]) -> None:
    """Compare the HR images that lie beside the views of version 2 with the one that is taken.

    Raises:
        ValueError: one shows something else.
    """
    views = [(scene, view) for scene in scenes for view in scene.views.values() if view.parent != scene.hr.parent]
    found = {
        (folder, path.stem.lower()): path for folder in {view.parent for _, view in views} for path in images_in(folder)
    }
    for scene, view in views:
        stem = re.sub("lr[^_]*$", "hr", view.stem.lower())
        other = found.get((view.parent, stem)) or found.get((view.parent, scene.hr.stem.lower()))
        if other is None or same_content(scene.hr, other):
            continue
        if image_size(scene.hr) != image_size(other) or (likeness := _likeness(scene.hr, other)) < _ALIKE:
            raise ValueError(
                f"{other}: expected the same HR image as {scene.hr}, as in version 2 of RealSR, got another; take "
                "layout realsr_v3, where each scale has HR images of its own"
            )
        if likeness < 1:
            notice(f"{view.parent}: HR images differ a little from those of {scene.hr.parent}, which are taken")


def _likeness(one: Path, other: Path) -> float:
    """1 where both have the same pixels, or the correlation of what is left of them at 32 x 32 pixels."""
    first, second = read_image(one), read_image(other)
    if np.array_equal(first, second):
        return 1.0
    size = (32, 32)
    small = [cv2.resize(x.astype(np.float32), size, interpolation=cv2.INTER_AREA).ravel() for x in (first, second)]
    with np.errstate(invalid="ignore"):
        return min(float(np.nan_to_num(np.corrcoef(*small)[0, 1])), 0.999)


def _find(root: Path, split: str, own_hr: bool) -> Iterator[FoundImage]:
    for camera, folder in camera_folders(root, split):
        named = [(match, child) for child in folders(folder) if (match := _SCALE.fullmatch(child.name))]
        scales = one_per_scale((float(match[1]), child) for match, child in named)
        if not scales:
            raise ValueError(f"{folder}: expected a folder per scale (2, 3, 4), got none")
        say_left_out(folder, [child / "any" for child in scales.values()])
        lowest = min(scales)
        for scale, child in sorted(scales.items()):
            yield from _find_scale(camera, child, scale, keep_hr=own_hr or scale == lowest, own_hr=own_hr)


def camera_folders(root: Path, split: str) -> list[tuple[str, Path]]:
    """List the cameras below ``root`` and their folders of a split; says in a line what else there is.

    Raises:
        ValueError: none.
    """
    cameras = [(folder.name, child) for folder in folders(root) for child in folders(folder)]
    splits = [(camera, folder) for camera, folder in cameras if folder.name.lower() == split.lower()]
    if not splits:
        raise ValueError(f"{root}: expected folders {{camera}}/{split}/{{scale}}, got none{_hint(root, split)}")
    say_left_out(root, [folder / "any" for _, folder in splits])
    return splits


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
