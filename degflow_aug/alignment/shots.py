"""Photographs of scenes at several focal lengths, one folder per scene, before they are aligned."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from degflow_aug.files.image_decoder import exif_tags
from degflow_aug.files.image_file import image_size, images_in
from degflow_aug.files.image_tree import say_left_out

_FOCAL_LENGTH, _FOCAL_LENGTH_35 = 37386, 41989
_HR_NAME = re.compile(r"(?:.*[_\- ])?hr", re.IGNORECASE)
_SCALE_NAME = re.compile(r"(?:.*[_\- ])?x(?P<scale>\d+(?:\.\d+)?)", re.IGNORECASE)
_SAME = 1.02


@dataclass(frozen=True)
class Shot:
    """An LR photograph and the scale that its name or its focal length gives it, None where neither does."""

    path: Path
    scale: float | None


@dataclass(frozen=True)
class Shots:
    """The photographs of one scene, the finest as HR.

    Attributes:
        name: of the folder.
        folder: the scene's folder.
        hr: the HR photograph.
        views: the others, by name.
    """

    name: str
    folder: Path
    hr: Path
    views: tuple[Shot, ...]


def find_shot_folders(root: str | Path) -> list[Path]:
    """List the folders of the scenes in ``root``, by name, without hidden ones.

    Raises:
        ValueError: no folder, or no folder with images in it.
    """
    root = Path(root)
    if not root.is_dir():
        there = "a file" if root.exists() else "nothing"
        raise ValueError(f"{root}: expected a folder with a folder of photographs a scene, got {there}")
    folders = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not any(images_in(folder) for folder in folders):
        raise ValueError(f"{root}: expected a folder of photographs a scene (photos/kitchen/IMG_1.jpg, ...), got none")
    say_left_out(root, [folder / "any" for folder in folders])
    return folders


def read_shots(folder: Path) -> Shots:
    """Tell the photographs of a scene apart.

    HR is the file named ``HR`` (or ``..._HR``), else the one of the longest focal length in EXIF. An LR file named
    ``x2`` (or ``..._x2``) has that scale, another the ratio of the focal lengths.

    Raises:
        ValueError: fewer than two photographs, a file that cannot be read, or nothing that says which is HR.
    """
    paths = images_in(folder)
    say_left_out(folder, paths)
    if len(paths) < 2:
        raise ValueError(f"{folder}: expected two photographs or more, got {len(paths)}")
    resolution = {path: pixels_per_radian(path) for path in paths}
    hr = _hr(folder, paths, resolution)
    views = [Shot(path, _scale(path, hr, resolution)) for path in paths if path != hr]
    return Shots(folder.name, folder, hr, tuple(views))


def pixels_per_radian(path: Path) -> float | None:
    """Read the focal length of a photograph in pixels of its diagonal, up to a constant; None without EXIF.

    The equivalent length for 35 mm film where EXIF has it: phones have several sensors. Lengths without it are
    comparable among photographs of one sensor.

    Raises:
        ValueError: the file cannot be read.
    """
    with path.open("rb") as stream:
        tags = exif_tags(stream, str(path))
    diagonal = math.hypot(*image_size(path))
    for tag in (_FOCAL_LENGTH_35, _FOCAL_LENGTH):
        try:
            length = float(tags.get(tag) or 0)
        except (TypeError, ValueError, ZeroDivisionError):
            continue
        if 0 < length < math.inf:
            return length * diagonal
    return None


def _hr(folder: Path, paths: Sequence[Path], resolution: dict[Path, float | None]) -> Path:
    named = [path for path in paths if _HR_NAME.fullmatch(path.stem)]
    if len(named) > 1:
        raise ValueError(f"{folder}: expected one photograph named HR, got {named[0].name} and {named[1].name}")
    if named:
        return named[0]
    unknown = [path for path in paths if resolution[path] is None]
    if unknown:
        raise ValueError(f"{unknown[0]}: expected a focal length in EXIF, got none; name the files HR, x2, x4, ...")
    finest, second = sorted(paths, key=lambda path: -(resolution[path] or 0))[:2]
    if (resolution[finest] or 0) < _SAME * (resolution[second] or 0):
        raise ValueError(
            f"{folder}: expected one photograph of the longest focal length, got {finest.name} and {second.name}; "
            "name the files HR, x2, x4, ..."
        )
    return finest


def _scale(path: Path, hr: Path, resolution: dict[Path, float | None]) -> float | None:
    named = _SCALE_NAME.fullmatch(path.stem)
    if named:
        return float(named["scale"])
    fine, coarse = resolution[hr], resolution[path]
    # Equal focal lengths say that the camera was moved, not how far.
    return fine / coarse if fine and coarse and fine > _SAME * coarse else None
