"""Which photographs are of one scene: those of a folder, or in one folder of many scenes by names, or by EXIF."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from degflow_aug.alignment.shots import SAME, ShotGroup, exif_of, pixels_per_radian
from degflow_aug.files.image_file import images_in
from degflow_aug.files.image_tree import say_left_out
from degflow_aug.files.notice import notice

_NAMED = re.compile(r"(?P<scene>.*?)[_\- ]?(?:hr|x\d+(?:\.\d+)?)", re.IGNORECASE)
_TIME_TAKEN = 36867


def find_shot_groups(root: str | Path) -> list[ShotGroup]:
    """List the scenes in ``root``, by name: its folders, without hidden ones, or else its own images in groups.

    Images named ``scene_HR``, ``scene_x2``, ... are grouped by what stands before. Others are taken in the order of
    time, or of names where EXIF has none, and a focal length that comes again begins the next scene.

    Raises:
        ValueError: no folder, no images, or images that neither names nor EXIF group.
    """
    root = Path(root)
    if not root.is_dir():
        there = "a file" if root.exists() else "nothing"
        raise ValueError(f"{root}: expected a folder with the photographs of each scene, got {there}")
    folders = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    groups = [ShotGroup(folder.name, folder, tuple(images_in(folder))) for folder in folders]
    if any(group.paths for group in groups):
        say_left_out(root, [folder / "any" for folder in folders])
        for group in groups:
            say_left_out(group.folder, group.paths)
        return groups
    paths = images_in(root)
    if not paths:
        raise ValueError(
            f"{root}: expected a folder of photographs per scene (photos/kitchen/1.jpg, ...), or all of them, got none"
        )
    say_left_out(root, paths)
    named = {path: match for path in paths if (match := _NAMED.fullmatch(path.stem))}
    if len(named) == len(paths):
        scenes = {match["scene"] for match in named.values()}
        found = {scene: [path for path in paths if named[path]["scene"] == scene] for scene in sorted(scenes)}
        return [ShotGroup(scene or root.name, root, tuple(files)) for scene, files in found.items()]
    by_lens = _by_focal_length(root, paths)
    return [ShotGroup(files[0].stem, root, tuple(files)) for files in by_lens]


def _by_focal_length(root: Path, paths: Sequence[Path]) -> list[list[Path]]:
    """Group photographs in their order; each group has every focal length once at most."""
    lengths = {path: pixels_per_radian(path) or 0.0 for path in paths}
    unknown = [path for path in paths if not lengths[path]]
    if unknown:
        raise ValueError(
            f"{unknown[0]}: expected a focal length in EXIF, got none; give each scene a folder, or name the files "
            "scene_HR, scene_x2, ..."
        )
    times = {path: str(exif_of(path).get(_TIME_TAKEN) or "") for path in paths}
    timed = all(times.values())
    groups: list[list[Path]] = []
    for path in sorted(paths, key=lambda path: (times[path] if timed else "", _counted(path.name))):
        if not groups or any(1 / SAME < lengths[path] / lengths[other] < SAME for other in groups[-1]):
            groups.append([])
        groups[-1].append(path)
    if all(len(group) == 1 for group in groups):
        raise ValueError(f"{root}: expected photographs of each scene at two focal lengths, got all at one; see EXIF")
    order, count = "time" if timed else "names", f"{len(groups)} scene{'s' * (len(groups) > 1)}"
    notice(f"{root}: {count} by the order of {order}; a focal length that comes again begins the next")
    return groups


def _counted(name: str) -> list[tuple[int, str]]:
    """A name as its parts, numbers as numbers: IMG_9 comes before IMG_10."""
    return [(int(part), part) if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]
