"""Which part of an HR image its LR image shows: all of it, or what is left once HR is cut to a multiple of the scale.

Usual scripts cut HR at the right and below to a multiple of the scale before they make LR, and leave it whole on disk
(BasicSR, LIIF), or make LR that reaches beyond HR by part of a pixel (MATLAB's and BasicSR's imresize). This package's
own LR, rounded to (H / s, W / s), shows all of HR. The sizes of a whole set tell which of them it was.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from degflow_aug.data.layouts.generated import is_generated
from degflow_aug.data.layouts.scene import Scene
from degflow_aug.data.layouts.scene_pairs import Pair
from degflow_aug.files.image_decoder import ImageHeader
from degflow_aug.files.image_file import read_header
from degflow_aug.files.notice import notice

Size = tuple[int, int]
# What is left of s, which has six digits, in H / s.
_ROUNDING = 1e-4


class PairSize(NamedTuple):
    """(height, width) of what both images of a pair show, from their top left corners, in pixels of either."""

    hr: Size
    lr: Size

    @property
    def is_view(self) -> bool:
        """Whether the LR image has been brought to the HR grid."""
        return self.hr == self.lr


def pair_sizes(pairs: Sequence[Pair], header: Callable[[Path], ImageHeader] = read_header) -> list[PairSize]:
    """Find what both images of each pair show, by the headers of their files.

    LR images of HR size (views) show all of it. At a whole scale, HR is cut to s times floor(H / s) and an LR image of
    ceil(H / s) to floor(H / s), which a line says. Where LR sizes are floors here and ceilings there, so that rounding
    alone explains them all, and for what ``degflow generate`` has made, LR shows all of HR. At other scales it is cut
    only where rounding does not explain the sizes, and a size within a pixel is taken.

    Raises:
        ValueError: an LR image of another size.
    """
    sizes = [PairSize(header(pair.hr)[:2], header(pair.lr)[:2]) for pair in pairs]
    for scale in sorted({pair.scale for pair in pairs}):
        chosen = [
            index
            for index, (pair, size) in enumerate(zip(pairs, sizes, strict=True))
            if pair.scale == scale
            and not size.is_view
            and not (_is_rounded(pair, size) and is_generated(pair.lr, scale))
        ]
        parts = _parts([pairs[index] for index in chosen], [sizes[index] for index in chosen], scale)
        for index, part in zip(chosen, parts, strict=True):
            sizes[index] = part
    return sizes


def scene_sizes(
    scenes: Sequence[Scene], scales: Sequence[float], header: Callable[[Path], ImageHeader] = read_header
) -> list[tuple[Size, dict[Path, PairSize]]]:
    """Find what all images of each scene show: (height, width) on the HR grid, and for each view what it shows.

    Args:
        scenes: HR images and their views, on the HR grid or of LR size.
        scales: those of the views that count.
        header: reads the header of an image.

    Raises:
        ValueError: a view of another size.
    """
    pairs = [
        Pair(scene.name, scale, scene.hr, scene.views[scale])
        for scene in scenes
        for scale in scales
        if scale in scene.views
    ]
    by_view = dict(zip([(pair.hr, pair.lr) for pair in pairs], pair_sizes(pairs, header), strict=True))
    found = []
    for scene in scenes:
        views = {path: by_view[scene.hr, path] for scale, path in scene.views.items() if scale in scales}
        size = header(scene.hr)[:2]
        for view in views.values():
            size = (min(size[0], view.hr[0]), min(size[1], view.hr[1]))
        found.append((size, views))
    return found


def _parts(pairs: Sequence[Pair], sizes: Sequence[PairSize], scale: float) -> list[PairSize]:
    """What both images of each pair of one scale show."""
    both = list(zip(pairs, sizes, strict=True))
    one_way = all(size.lr == _floor(pair, size) for pair, size in both) or all(
        size.lr == _ceiling(pair, size) for pair, size in both
    )
    whole = scale == round(scale)
    if all(_is_rounded(pair, size) for pair, size in both) and not (whole and one_way):
        return list(sizes)
    return [_part(pair, size, whole, one_way) for pair, size in both]


def _part(pair: Pair, size: PairSize, whole: bool, one_way: bool) -> PairSize:
    low, high, rounded = _floor(pair, size), _ceiling(pair, size), _rounded(pair, size)
    between = all(least <= lr <= most for least, lr, most in zip(low, size.lr, high, strict=True))
    if between and (whole or one_way) and min(low) > 0:
        part = PairSize((round(low[0] * pair.scale), round(low[1] * pair.scale)), low)
        if part != size:
            notice(
                f"{pair.lr.parent}: LR images at scale {pair.scale:g} show HR images cut to whole LR pixels, so these "
                f"are cut to {pair.scale:g} times LR"
            )
        return part
    if not whole and all(abs(lr - hr / pair.scale) <= 1 for hr, lr in zip(size.hr, size.lr, strict=True)):
        return size
    height, width = low if whole else rounded
    raise ValueError(
        f"{pair.lr}: expected {size.hr[0]}x{size.hr[1]} pixels (height x width) as in {pair.hr}, or {height}x{width} "
        f"at scale {pair.scale:g}, got {size.lr[0]}x{size.lr[1]}; align the pair"
    )


def _floor(pair: Pair, size: PairSize) -> Size:
    return math.floor(size.hr[0] / pair.scale + _ROUNDING), math.floor(size.hr[1] / pair.scale + _ROUNDING)


def _ceiling(pair: Pair, size: PairSize) -> Size:
    return math.ceil(size.hr[0] / pair.scale - _ROUNDING), math.ceil(size.hr[1] / pair.scale - _ROUNDING)


def _rounded(pair: Pair, size: PairSize) -> Size:
    return round(size.hr[0] / pair.scale), round(size.hr[1] / pair.scale)


def _is_rounded(pair: Pair, size: PairSize) -> bool:
    return size.lr == _rounded(pair, size)
