"""Layouts of pairs at any scale, beside those that :func:`find_scenes` knows."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from degflow_aug.data.layouts.find import LAYOUTS, find_scenes
from degflow_aug.data.layouts.scene import FoundImage, Scene, gather_scenes, nearest, view_scale
from degflow_aug.files.image_file import list_images
from degflow_aug.files.image_tree import find_images

PAIR_LAYOUTS = (*LAYOUTS, "realarbisr", "folders")
_REALARBISR_FOLDER = re.compile(r"(?P<kind>HR|LR)(?P<scale>\d+(?:(?:dot|\.)\d+)?)", re.IGNORECASE)
_REALARBISR_MARK = re.compile(r"[_-]?(?:HR|LR)[_-]?(?:x?\d+(?:(?:dot|\.)\d+)?)?", re.IGNORECASE)


def find_pair_scenes(
    root: str | Path,
    layout: str,
    *,
    split: str = "Train",
    cameras: str | Sequence[str] | None = None,
    pattern: Mapping[str, Any] | None = None,
    scenes: str | Sequence[str] | None = None,
    lq: Mapping[Any, str | Path] | None = None,
) -> list[Scene]:
    """Find scenes whose LR images may be of their own size.

    Layouts, beside those of :func:`find_scenes`:
        ``realarbisr``: ``root/{split}/HR1dot5`` and ``root/{split}/LR1dot5``, a pair of folders a scale; each scale has
            HR images of its own, so that a scene has one scale. The folders are those that RealArbiSR's published
            code reads. It pairs files by their order; here their names decide where they agree once HR, LR and the
            scale are taken out of them, and the order only where they do not.
        ``folders``: ``root`` holds HR images, the folders ``lq`` files of the same names, ``{2: folder, 2.9: folder}``.

    Args:
        root, layout, split, cameras, pattern, scenes: as for :func:`find_scenes`.
        lq: the LR folders of the layout ``folders`` by scale.

    Raises:
        ValueError: there is nothing where the layout expects it; the sentence names the file or folder.
    """
    if layout not in PAIR_LAYOUTS:
        raise ValueError(f"expected layout {', '.join(PAIR_LAYOUTS)}, got '{layout}'{nearest(layout, PAIR_LAYOUTS)}")
    if (lq is not None) != (layout == "folders"):
        raise ValueError(
            f"expected lq: {{2: folder, ...}} with layout folders and no other, got layout {layout} and lq {lq!r}"
        )
    root = Path(root)
    if layout in LAYOUTS:
        return find_scenes(root, layout, split=split, cameras=cameras, pattern=pattern, scenes=scenes)
    if pattern is not None:
        raise ValueError(f"expected pattern with layout pattern only, got it with {layout}; remove it")
    found = _find_folders(root, lq) if lq is not None else _find_realarbisr(root, split)
    return gather_scenes(found, root, cameras=cameras, scenes=scenes)


def _find_realarbisr(root: Path, split: str) -> Iterator[FoundImage]:
    folders: dict[float, dict[str, Path]] = {}
    parent = root / split
    for folder in sorted(parent.iterdir()) if parent.is_dir() else ():
        if folder.is_dir() and (match := _REALARBISR_FOLDER.fullmatch(folder.name)):
            scale = float(match["scale"].lower().replace("dot", "."))
            folders.setdefault(scale, {})[match["kind"].upper()] = folder
    if not folders:
        raise ValueError(f"{parent}: expected folders HR1dot5, LR1dot5, HR2, LR2, ... in it, got none")
    for scale, both in sorted(folders.items()):
        if len(both) < 2:
            (there,) = both.values()
            raise ValueError(f"{there}: expected folders HR and LR at this scale, got this one alone; add the other")
        for hr, lr in _pair_files(both["HR"], both["LR"]):
            id_ = _REALARBISR_MARK.sub("", hr.stem) or hr.stem
            name = f"{id_}_x{scale:g}"
            yield FoundImage(_folder_name(root), id_, name, 1.0, hr)
            yield FoundImage(_folder_name(root), id_, name, scale, lr)


def _pair_files(hr_folder: Path, lr_folder: Path) -> list[tuple[Path, Path]]:
    """HR and LR files by name, by order where the names say nothing."""
    hr, lr = list_images(hr_folder), list_images(lr_folder)
    hr_names, lr_names = ({_REALARBISR_MARK.sub("", path.stem): path for path in paths} for paths in (hr, lr))
    if hr_names.keys() == lr_names.keys() and len(hr_names) == len(hr) == len(lr):
        return [(path, lr_names[name]) for name, path in hr_names.items()]
    if len(hr) != len(lr):
        raise ValueError(
            f"{lr_folder}: expected as many images as in {hr_folder}, {len(hr)}, got {len(lr)}; complete the pairs"
        )
    return list(zip(hr, lr, strict=True))


def _find_folders(root: Path, lq: Mapping[Any, str | Path]) -> Iterator[FoundImage]:
    if not isinstance(lq, Mapping) or not lq or not all(isinstance(value, (str, os.PathLike)) for value in lq.values()):
        raise ValueError(f"expected lq as folders by scale, {{2: folder, 2.9: folder}}, got {lq!r}")
    hr = find_images(root)
    for scale, folder in [(1.0, root), *((view_scale(key), Path(value)) for key, value in lq.items())]:
        images = hr if scale == 1 else find_images(folder)
        missing = sorted({image.name for image in hr} - {image.name for image in images})
        if missing:
            raise ValueError(
                f"{folder}: expected an LR image for each HR image in {root}, got none named {missing[0]}; add it, or "
                "take the HR image out"
            )
        for image in images:
            yield FoundImage(_folder_name(root), image.name.rpartition("/")[2], image.name, scale, image.path)


def _folder_name(folder: Path) -> str:
    return os.path.basename(os.path.abspath(folder))
