"""The image files below a folder, each under a name that what is made from it can keep; what is left out is said."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path, PurePath
from typing import NamedTuple

from degflow_aug.files.alike import look_alike, say_alike
from degflow_aug.files.home_path import home_path
from degflow_aug.files.image_decoder import HEIC_SUFFIXES
from degflow_aug.files.image_file import IMAGE_SUFFIXES, is_image_name
from degflow_aug.files.notice import notice

MANIFEST = "manifest.json"
FORMAT = "degflow-generated-1"
"""What the manifest of a set says that ``degflow generate`` or ``upscale`` has written."""
_UNREAD_HEIC = tuple(suffix for suffix in HEIC_SUFFIXES if suffix not in IMAGE_SUFFIXES)


class TreeImage(NamedTuple):
    """An image file below a folder.

    Attributes:
        name: its path below the folder without suffix, parts joined by ``/``; unique in the tree.
        path: the file.
        listed: (height, width, ...) by a list of images, empty where none tells it.
    """

    name: str
    path: Path
    listed: tuple[int, ...] = ()


def find_images(root: str | Path, skip: str | Path | None = None) -> list[TreeImage]:
    """Find the images below ``root``, a folder or one file, sorted by name on every file system.

    Hidden files and folders are left out; with a line, other files that are no images, and what ``degflow generate``
    and ``upscale`` have written below ``root``. Links are followed, each folder once.

    Args:
        root: the folder, or an image file, which is then the only one.
        skip: a folder whose files are left out.

    Raises:
        ValueError: nothing there, no image, or two files that differ in their suffix only.
    """
    root = home_path(root)
    if root.is_file():
        return [TreeImage(root.stem, root)]
    if not root.is_dir():
        got = "a pipe, socket or device" if root.exists() else f"nothing{look_alike(root)}"
        raise ValueError(f"{root}: expected a folder of images or an image file, got {got}")
    found: dict[str, Path] = {}
    unread: list[Path] = []
    made: list[Path] = []
    for path in walk(root, Path(skip).resolve() if skip is not None else None, made=made):
        if not is_image_name(path.name):
            unread.append(path)
            continue
        name = path.relative_to(root).with_suffix("").as_posix()
        if name in found:
            raise ValueError(
                f"{path}: expected one image a name, got {found[name].name} as well, whose results would have the same "
                "name; rename one of them"
            )
        found[name] = path
    say_alike(root, found)
    for folder in made:
        notice(f"{root}: left out {folder}, which degflow has made of other images; read it by its own path")
    if not found:
        got = _list_unread(unread) or "none"
        raise ValueError(f"{root}: expected images ({', '.join(IMAGE_SUFFIXES)}) here or in folders below, got {got}")
    _say_unread(root, unread)
    return [TreeImage(name, found[name]) for name in sorted(found)]


def is_generated_set(folder: Path) -> bool:
    """Tell whether ``degflow generate`` or ``upscale`` has written to a folder, by its manifest."""
    try:
        if not (folder / MANIFEST).is_file():
            return False
        content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and content.get("format") == FORMAT


def say_left_out(folder: Path, taken: Iterable[Path]) -> None:
    """Say in a line what a folder holds beside the files ``taken`` and the folders that these lie in.

    Hidden files count only where they have the suffix of an image.
    """
    kept = set(taken)
    kept |= {parent for path in kept for parent in path.parents}
    _say_unread(folder, (path for path in folder.iterdir() if path not in kept))


def say_other_size(path: Path, listed: tuple[int, ...], size: tuple[int, ...]) -> None:
    """Say in a line that a list tells another (height, width, ...) of an image than its header, the first time."""
    if listed and listed[:2] != size[:2]:
        told, got = (f"{height}x{width}" for height, width in (listed[:2], size[:2]))
        notice(
            f"{path}: {got} pixels (height x width) by the image, which counts here and in all such cases, and {told} "
            "by the list that names it",
            "listed",
        )


def check_inside(name: str, source: Path) -> str:
    """Return a name that a file lists if it lies below the folder of that file; links there are followed.

    Raises:
        ValueError: an absolute name, or one with ``..``.
    """
    path = PurePath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        raise ValueError(f"{source}: expected names below the folder that it lists, got '{name}'; take the line out")
    return name


def _say_unread(folder: Path, unread: Iterable[Path]) -> None:
    """Say in a line which files and folders in or below ``folder`` are not read."""
    if listed := _list_unread(unread):
        notice(f"{folder}: left out what is not read as an image here: {listed}")


def _list_unread(unread: Iterable[Path]) -> str:
    """Count files and folders by their kind, each with an example."""
    kinds: dict[str, list[str]] = {}
    for path in sorted(unread):
        if not path.name.startswith(".") or is_image_name(path.name.lstrip(".")):
            kinds.setdefault(_kind(path), []).append(path.name)
    counts = (f"{len(names)} {kind} ({names[0]}{', ...' * (len(names) > 1)})" for kind, names in kinds.items())
    advice = "; pip install pillow-heif to read HEIC" if any(kind in _UNREAD_HEIC for kind in kinds) else ""
    return ", ".join(counts) + advice


def _kind(path: Path) -> str:
    if path.is_dir():
        return "folders"
    return path.suffix.lower() or "without suffix"


def walk(
    root: Path, skip: Path | None = None, names: Collection[str] = (), made: list[Path] | None = None
) -> Iterator[Path]:
    """List the files below a folder, links followed once each, but none of hidden folders.

    Args:
        root: the folder.
        skip: a folder to leave out, resolved.
        names: folders of these names are left out.
        made: generated sets below ``root`` are left out, and put here.
    """
    seen: set[Path] = set()
    for folder, folders, files in os.walk(root, followlinks=True):
        here = Path(folder).resolve()
        if here in seen or here == skip:
            folders.clear()
            continue
        seen.add(here)
        if made is not None and Path(folder) != root and is_generated_set(Path(folder)):
            made.append(Path(folder))
            folders.clear()
            continue
        # Sorted, so that of two links to one folder the same is taken on every machine.
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in names)
        yield from (Path(folder, name) for name in sorted(files))
