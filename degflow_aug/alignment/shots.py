"""The photographs of a scene at several focal lengths: which is HR, and the scales of the others."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from degflow_aug.files.image_decoder import exif_tags
from degflow_aug.files.image_file import image_size

_FOCAL_LENGTH, _FOCAL_LENGTH_35 = 37386, 41989
_HR_NAME = re.compile(r"(?:.*[_\- ])?hr", re.IGNORECASE)
_SCALE_NAME = re.compile(r"(?:.*[_\- ])?x(?P<scale>\d+(?:\.\d+)?)", re.IGNORECASE)
SAME = 1.02
"""Focal lengths that differ by less are one."""


@dataclass(frozen=True)
class ShotGroup:
    """The photographs of one scene, not yet told apart.

    Attributes:
        name: of its folder; in a folder of many scenes, what their names begin with, or the name of the first.
        folder: where they lie.
        paths: the images.
    """

    name: str
    folder: Path
    paths: tuple[Path, ...]

    @property
    def where(self) -> str:
        """What errors call it."""
        return str(self.folder if self.folder.name == self.name else self.folder / self.name)


@dataclass(frozen=True)
class Shot:
    """An LR photograph and the scale that its name or its focal length gives it, None where neither does."""

    path: Path
    scale: float | None


@dataclass(frozen=True)
class Shots:
    """The photographs of one scene, the finest as HR.

    Attributes:
        name: of the scene.
        hr: the HR photograph.
        views: the others, by name.
    """

    name: str
    hr: Path
    views: tuple[Shot, ...]


def read_shots(group: ShotGroup) -> Shots:
    """Tell the photographs of a scene apart.

    HR is the file named ``HR`` (or ``..._HR``), else the one of the longest focal length in EXIF. An LR file named
    ``x2`` (or ``..._x2``) has that scale, another the ratio of the focal lengths.

    Raises:
        ValueError: fewer than two photographs, a file that cannot be read, or nothing that says which is HR.
    """
    if len(group.paths) < 2:
        raise ValueError(f"{group.where}: expected two photographs or more, got {len(group.paths)}")
    resolution = {path: pixels_per_radian(path) for path in group.paths}
    hr = _hr(group, resolution)
    views = [Shot(path, _scale(path, hr, resolution)) for path in group.paths if path != hr]
    return Shots(group.name, hr, tuple(views))


def exif_of(path: Path) -> dict[int, Any]:
    """Read the EXIF of a photograph, see :func:`exif_tags`."""
    with path.open("rb") as stream:
        return exif_tags(stream, str(path))


def pixels_per_radian(path: Path) -> float | None:
    """Read the focal length of a photograph in pixels of its diagonal, up to a constant; None without EXIF.

    The equivalent length for 35 mm film where EXIF has it: phones have several sensors. Lengths without it are
    comparable among photographs of one sensor.

    Raises:
        ValueError: the file cannot be read.
    """
    tags, diagonal = exif_of(path), math.hypot(*image_size(path))
    for tag in (_FOCAL_LENGTH_35, _FOCAL_LENGTH):
        try:
            length = float(tags.get(tag) or 0)
        except (TypeError, ValueError, ZeroDivisionError):
            continue
        if 0 < length < math.inf:
            return length * diagonal
    return None


def _hr(group: ShotGroup, resolution: dict[Path, float | None]) -> Path:
    named = [path for path in group.paths if _HR_NAME.fullmatch(path.stem)]
    if len(named) > 1:
        raise ValueError(f"{group.where}: expected one photograph named HR, got {named[0].name} and {named[1].name}")
    if named:
        return named[0]
    unknown = [path for path in group.paths if resolution[path] is None]
    if unknown:
        raise ValueError(f"{unknown[0]}: expected a focal length in EXIF, got none; name the files HR, x2, x4, ...")
    finest, second = sorted(group.paths, key=lambda path: -(resolution[path] or 0))[:2]
    if (resolution[finest] or 0) < SAME * (resolution[second] or 0):
        raise ValueError(
            f"{group.where}: expected one photograph of the longest focal length, got {finest.name} and {second.name}; "
            "name the files HR, x2, x4, ..."
        )
    return finest


def _scale(path: Path, hr: Path, resolution: dict[Path, float | None]) -> float | None:
    named = _SCALE_NAME.fullmatch(path.stem)
    if named:
        return float(named["scale"])
    fine, coarse = resolution[hr], resolution[path]
    # Equal focal lengths say that the camera was moved, not how far.
    return fine / coarse if fine and coarse and fine > SAME * coarse else None
