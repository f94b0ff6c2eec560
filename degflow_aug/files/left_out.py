"""What lies in a folder of images and is not read as one: nothing is left out without a line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from degflow_aug.files.image_decoder import HEIC_SUFFIXES
from degflow_aug.files.image_file import IMAGE_SUFFIXES, is_image_name
from degflow_aug.files.notice import notice

_UNREAD_HEIC = tuple(suffix for suffix in HEIC_SUFFIXES if suffix not in IMAGE_SUFFIXES)


def say_left_out(folder: Path, taken: Iterable[Path]) -> None:
    """Say in a line what a folder holds beside the files ``taken`` and the folders that these lie in.

    Hidden files count only where they have the suffix of an image.
    """
    kept = set(taken)
    kept |= {parent for path in kept for parent in path.parents}
    say_unread(folder, (path for path in folder.iterdir() if path not in kept))


def say_unread(folder: Path, unread: Iterable[Path]) -> None:
    """Say in a line which files and folders in or below ``folder`` are not read."""
    if listed := list_unread(unread):
        notice(f"{folder}: left out what is not read as an image here: {listed}")


def list_unread(unread: Iterable[Path]) -> str:
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
