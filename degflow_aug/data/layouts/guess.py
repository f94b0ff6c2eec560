"""Which layout a folder of pairs has, by the names of what lies in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from degflow_aug.data.layouts.scene import folders
from degflow_aug.files.alike import look_alike
from degflow_aug.files.home_path import home_path
from degflow_aug.files.image_file import image_size, images_in
from degflow_aug.files.notice import notice

PATTERN_FILE = "pattern.yml"
"""What ``degflow align`` writes beside its pairs."""
_CITY100 = re.compile(r"\d+([HL])", re.IGNORECASE)
_REALSR = re.compile(r"(.*[^_])_(?:HR|LR\d+(?:\.\d+)?)", re.IGNORECASE)
_REALARBISR = re.compile(r"(HR|LR)\d+(?:(?:dot|\.)\d+)?", re.IGNORECASE)
_SCALE = re.compile(r"[xX]?\d+(?:\.\d+)?")
_SPLITS = ("train", "test")
_NAMED = 4


def guess_layout(root: str | Path) -> tuple[str, Path | None]:
    """Guess the layout of a folder of pairs, and say it in a line.

    A ``pattern.yml`` counts before all else. Versions 2 and 3 of RealSR differ in the sizes that the HR images of a
    scene have at its scales.

    Returns:
        One of ``PAIR_LAYOUTS`` but ``folders``, and the file of the templates for ``pattern``.

    Raises:
        ValueError: no folder, no layout that is known, or several; names what was found.
    """
    root = home_path(root)
    if not root.is_dir():
        got = "a file" if root.exists() else f"nothing{look_alike(root)}"
        raise ValueError(f"{root}: expected the folder of a data set, got {got}")
    if (root / PATTERN_FILE).is_file():
        notice(f"{root}: layout pattern, by its {PATTERN_FILE}")
        return "pattern", root / PATTERN_FILE
    found = dict(_signs(root))
    if len(found) != 1:
        got = " and ".join(f"{sign} ({layout})" for layout, sign in found.items()) if found else _listed(root)
        raise ValueError(
            f"{root}: expected pairs of one layout: {PATTERN_FILE} of degflow align, 001H.PNG and 001L.PNG (city100), "
            f"or CAMERA/Train/2 (realsr), got {got}; name its layout"
        )
    ((layout, sign),) = found.items()
    notice(f"{root}: layout {layout}, by {sign}")
    return layout, None


def _signs(root: Path) -> Iterator[tuple[str, str]]:
    """Layouts and what speaks for each of them."""
    for folder in [root, *folders(root)]:
        kinds: dict[str, str] = {}
        for path in images_in(folder):
            if match := _CITY100.fullmatch(path.stem):
                kinds.setdefault(match[1].upper(), str(path.relative_to(root)))
        if len(kinds) == 2:
            yield "city100", f"{kinds['H']} and {kinds['L']}"
            break
    inside = [folder for camera in folders(root) for folder in folders(camera) if folder.name.lower() in _SPLITS]
    scales = [[child for child in folders(split) if _SCALE.fullmatch(child.name)] for split in inside]
    for children in filter(None, scales):
        yield ("realsr" if _have_one_hr(children) else "realsr_v3"), str(children[0].relative_to(root))
        break
    for split in (folder for folder in folders(root) if folder.name.lower() in _SPLITS):
        kinds = {
            match[1].upper(): child.name for child in folders(split) if (match := _REALARBISR.fullmatch(child.name))
        }
        if len(kinds) == 2:
            yield "realarbisr", f"{split.name}/{kinds['HR']} and {split.name}/{kinds['LR']}"
            break


def _have_one_hr(scales: list[Path]) -> bool:
    """Whether the first scenes have HR of one size at all scales."""
    sizes: dict[str, set[tuple[int, int]]] = {}
    for folder in scales:
        named = ((match[1], path) for path in images_in(folder) if (match := _REALSR.fullmatch(path.stem)))
        for name, path in islice(((name, path) for name, path in named if path.stem.lower().endswith("_hr")), _NAMED):
            sizes.setdefault(name.lower(), set()).add(image_size(path))
    return all(len(each) == 1 for each in sizes.values())


def _listed(root: Path) -> str:
    """The first names in a folder."""
    names = sorted(path.name for path in root.iterdir() if not path.name.startswith("."))
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more if names else "nothing"
