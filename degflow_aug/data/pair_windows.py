"""Where an LR patch lies in its HR image, for LR images of HR size and of their own."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from degflow_aug.data.layouts.common_part import PairSize

# Fractions such as 0.9 of x2.9 come round after ten pixels at most, at all scales with one decimal.
_PERIOD = 10


class PairWindow(NamedTuple):
    """A window of a pair: the same part of the scene in HR pixels and in LR pixels.

    Attributes:
        start, sides: (top, left) and (height, width) in the HR image, and in a view.
        lr_start: (top, left) in an LR image of its own size; meaningless for a view, whose LR patch is made of
            ``sides``.
        lr_sides: (height, width) of the LR patch.
    """

    start: tuple[int, int]
    sides: tuple[int, int]
    lr_start: tuple[int, int]
    lr_sides: tuple[int, int]


def patch_side(lr_size: int, scale: float) -> int:
    """Compute the side round(L s) of the HR square that an LR patch covers, s in float32, as items carry it."""
    return round(lr_size * float(np.float32(scale)))


def draw_window(size: PairSize, side: int, lr_size: int, rng: np.random.Generator) -> PairWindow:
    """Draw a square window: anywhere in a view, near anywhere on the grid of an LR image."""
    sides, lr_sides = (side, side), (lr_size, lr_size)
    if size.is_view:
        top, left = (int(rng.integers(0, length - side + 1)) for length in size.hr)
        return PairWindow((top, left), sides, (0, 0), lr_sides)
    drawn = [int(rng.integers(0, length - lr_size + 1)) for length in size.lr]
    (lr_top, top), (lr_left, left) = (
        _align_axis(start, lr_size, side, lr, hr) for start, lr, hr in zip(drawn, size.lr, size.hr, strict=True)
    )
    return PairWindow((top, left), sides, (lr_top, lr_left), lr_sides)


def centre_window(size: PairSize, scale: float, crop: int | None = None) -> PairWindow:
    """Return the middle of a pair: about ``crop`` HR pixels per side, within five LR pixels, or all there are.

    The side is chosen so that whole LR pixels cover whole HR pixels, if there is such a one.
    """
    frame = tuple(max(1, round(length / scale)) for length in size.hr) if size.is_view else size.lr
    axes = [_centre_axis(*axis, scale, crop, size.is_view) for axis in zip(size.hr, frame, strict=True)]
    (top, height, lr_top, rows), (left, width, lr_left, columns) = axes
    return PairWindow((top, left), (height, width), (lr_top, lr_left), (rows, columns))


def _centre_axis(hr: int, lr: int, scale: float, crop: int | None, is_view: bool) -> tuple[int, int, int, int]:
    """HR start and side, LR start and side along one axis."""
    wanted = lr if crop is None else max(1, round(crop / scale))
    if wanted >= lr:
        return 0, hr, 0, lr
    factor = scale if is_view else hr / lr
    sides = range(max(1, wanted - _PERIOD // 2), min(lr - 1, wanted + _PERIOD // 2) + 1)
    lr_side = min(sides, key=lambda side: (_coarse(side * factor - round(side * factor)), abs(side - wanted)))
    side = min(hr, round(lr_side * factor))
    if is_view:
        return (hr - side) // 2, side, 0, lr_side
    lr_start, start = _align_axis((lr - lr_side) // 2, lr_side, side, lr, hr)
    return start, side, lr_start, lr_side


def _align_axis(lr_start: int, lr_side: int, side: int, lr_length: int, hr_length: int) -> tuple[int, int]:
    """The LR start near ``lr_start`` whose window lies best on whole HR pixels, and the HR start that goes with it.

    The centres of the two windows differ by half an HR pixel at most; not at all where s has one decimal, L s is whole
    and the image has room.
    """

    def place(start: int) -> tuple[float, int]:
        exact = (start + lr_side / 2) * hr_length / lr_length - side / 2
        hr_start = min(max(round(exact), 0), hr_length - side)
        return hr_start - exact, hr_start

    low, high = max(0, lr_start - _PERIOD // 2), min(lr_length - lr_side, lr_start + _PERIOD // 2)
    best = min(range(low, high + 1), key=lambda start: (_coarse(place(start)[0]), abs(start - lr_start)))
    return best, place(best)[1]


def _coarse(error: float) -> int:
    """An error in twentieths of a pixel: smaller differences do not outweigh the distance from the wanted place."""
    return round(20 * abs(error))
