"""Find the scenes of a data set by the name of its layout."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from degflow_aug.data.layouts import LAYOUTS, PAIR_LAYOUTS
from degflow_aug.data.layouts.realsr import check_one_hr
from degflow_aug.data.layouts.scene import FoundImage, Place, Scene, gather_scenes, view_scale
from degflow_aug.files.alike import look_alike
from degflow_aug.files.home_path import home_path
from degflow_aug.options.nearest_name import nearest_name


def find_scenes(
    root: str | Path,
    layout: str,
    *,
    split: str = "Train",
    cameras: str | Sequence[str] | None = None,
    pattern: Mapping[str, Any] | None = None,
    scenes: str | Sequence[str] | None = None,
    true_scales: Mapping[Any, float] | None = None,
    alone: str = "refuse",
) -> list[Scene]:
    """Find the scenes below ``root`` whose views are on the HR grid, sorted by camera and name.

    Args:
        root: folder of the data set.
        layout: one of ``LAYOUTS``; its module says how files are named.
        split: the RealSR folder, ``Train`` or ``Test``; the other layouts have none.
        cameras: those to take, all by default.
        pattern: the templates of the ``pattern`` layout.
        scenes: those to take: ids, names or ranges of ids, of one camera where its name is before them
            (``camera/001-018``), as ``"001-060,071"`` or in a list.
        true_scales: scales by the label that the layout finds, ``{2: 2.1, 4: 3.75}``; other labels are true.
        alone: what becomes of images without their HR or LR images, see :func:`gather_scenes`.

    Raises:
        ValueError: there is nothing where the layout expects it; the sentence names the file or folder.
    """
    images = _at_true_scales(_find(LAYOUTS, layout, Place(home_path(root), split, pattern)), true_scales)
    found = gather_scenes(images, home_path(root), cameras=cameras, scenes=scenes, alone=alone)
    _check(layout, found)
    return found


def find_pair_scenes(
    root: str | Path,
    layout: str,
    *,
    split: str = "Train",
    cameras: str | Sequence[str] | None = None,
    pattern: Mapping[str, Any] | None = None,
    scenes: str | Sequence[str] | None = None,
    lq: Mapping[Any, str | Path] | None = None,
    true_scales: Mapping[Any, float] | None = None,
    alone: str = "refuse",
) -> list[Scene]:
    """Find scenes whose LR images may have a size of their own.

    Args:
        root, split, cameras, pattern, scenes, true_scales, alone: as for :func:`find_scenes`.
        layout: one of ``PAIR_LAYOUTS``.
        lq: the LR folders of the layout ``folders`` by scale.

    Raises:
        ValueError: there is nothing where the layout expects it; the sentence names the file or folder.
    """
    if str(layout) in PAIR_LAYOUTS:
        if (lq is not None) != (layout == "folders"):
            raise ValueError(
                f"expected lq: {{2: folder, ...}} with layout folders and no other, got layout {layout} and lq {lq!r}"
            )
        if pattern is not None and layout not in LAYOUTS:
            raise ValueError(f"expected pattern with layout pattern only, got it with {layout}; remove it")
    images = _at_true_scales(_find(PAIR_LAYOUTS, layout, Place(home_path(root), split, pattern, lq)), true_scales)
    found = gather_scenes(images, home_path(root), cameras=cameras, scenes=scenes, alone=alone)
    _check(layout, found)
    for scene in found:
        for key, folder in (lq or {}).items():
            if true_scale(view_scale(key), true_scales) not in scene.views:
                raise ValueError(
                    f"{folder}: expected an LR image for each HR image in {root}, got none named {scene.name}; add it, "
                    "or take the HR image out"
                )
    return found


def true_scale(label: float, true_scales: Mapping[Any, float] | None) -> float:
    """The scale of a label; see :func:`find_scenes`.

    Raises:
        ValueError: a label, or what it stands for, is no scale above 1.
    """
    known = {view_scale(key): view_scale(scale) for key, scale in (true_scales or {}).items()}
    return known.get(label, label)


def _at_true_scales(images: Iterable[FoundImage], true_scales: Mapping[Any, float] | None) -> Iterable[FoundImage]:
    """The images with the scale that their label stands for.

    Raises:
        ValueError: no image has one of the labels.
    """
    if not true_scales:
        return images
    found = list(images)
    labels = {image.scale for image in found}
    for key in true_scales:
        if view_scale(key) not in labels:
            there = ", ".join(f"{label:g}" for label in sorted(labels - {1.0}))
            raise ValueError(f"expected scales by the labels of the pairs, {there}, got {key}; take it out")
    return [image._replace(scale=true_scale(image.scale, true_scales)) for image in found]


def _check(layout: str, found: Sequence[Scene]) -> None:
    """Look into the files of a layout that promises something of them."""
    if layout == "realsr":
        check_one_hr(found)


def _find(known: Mapping[str, str], layout: str, place: Place) -> Iterable[FoundImage]:
    """The images that the function of a layout finds."""
    if str(layout) not in known:
        raise ValueError(f"expected layout {', '.join(known)}, got '{layout}'{nearest_name(layout, known)}")
    if not place.root.is_dir():
        got = "a file" if place.root.exists() else f"nothing{look_alike(place.root)}"
        raise ValueError(f"{place.root}: expected the folder of a data set, got {got}")
    module, _, function = known[layout].rpartition(".")
    finder = getattr(import_module(f"{__package__}.{module}"), function)
    found: Iterable[FoundImage] = finder(place)
    return found
