"""Pairs: one HR image and its LR image at one scale."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from degflow_aug.data.layouts.scene import Scene


class Pair(NamedTuple):
    """One scene at one scale.

    Attributes:
        name: unique in the data set, ending in ``_x{scale}``.
        scale: HR pixels per LR pixel.
        hr, lr: the image files; ``lr`` may be a view, of the size of ``hr``.
        camera: that of the scene.
    """

    name: str
    scale: float
    hr: Path
    lr: Path
    camera: str = ""


def list_pairs(scenes: Sequence[Scene], scales: Sequence[float] | None = None) -> list[Pair]:
    """List the pairs of all scenes, scale by scale within a scene.

    Args:
        scenes: HR images and what goes with them.
        scales: those to take, all by default.

    Raises:
        ValueError: no pair has one of the ``scales``.
    """
    found = sorted({scale for scene in scenes for scale in scene.scales})
    wanted = _check_scales(scales, found, scenes)
    pairs = []
    for name, scene in zip(pair_names(scenes), scenes, strict=True):
        for scale in scene.scales:
            mark = f"_x{scale:g}"
            if scale in wanted:
                pairs.append(Pair(name.removesuffix(mark) + mark, scale, scene.hr, scene.views[scale], scene.camera))
    return pairs


def pair_names(scenes: Sequence[Scene]) -> list[str]:
    """Name scenes so that they can be told apart: with their camera where two have one name."""
    counts = Counter(scene.name for scene in scenes)
    return [scene.name if counts[scene.name] == 1 else f"{scene.camera}_{scene.name}" for scene in scenes]


def _check_scales(scales: Sequence[float] | None, found: list[float], scenes: Sequence[Scene]) -> set[float]:
    where = f"{scenes[0].hr.parent}: " if scenes else ""
    if not found:
        raise ValueError(f"{where}expected HR images with LR images, got HR alone")
    if scales is None:
        return set(found)
    if not isinstance(scales, (list, tuple)) or not scales or not all(_is_number(scale) for scale in scales):
        raise ValueError(f"expected scales as a list such as [2, 2.5, 4], got {scales!r}")
    for scale in scales:
        if scale not in found:
            raise ValueError(f"{where}expected pairs at scale {scale:g}, got {', '.join(f'{x:g}' for x in found)}")
    return {float(scale) for scale in scales}


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
