"""The eight ways in which a square patch can lie, drawn for all images of an item at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Turn = Callable[[np.ndarray], np.ndarray]


def draw_turn(rng: np.random.Generator, *, flip: bool, rotate: bool) -> Turn:
    """Draw a map of arrays (P, P, C): its result is a view of them.

    Args:
        rng: three numbers are drawn whatever the flags are.
        flip: mirror half of the patches left to right.
        rotate: mirror half of them top to bottom, and swap the axes of half.
    """
    mirror, turn, swap = (bool(draw < 0.5) for draw in rng.random(3))

    def apply(patch: np.ndarray) -> np.ndarray:
        if flip and mirror:
            patch = patch[:, ::-1]
        if rotate and turn:
            patch = patch[::-1]
        return patch.transpose(1, 0, 2) if rotate and swap else patch

    return apply
