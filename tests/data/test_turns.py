"""All eight positions of a square occur equally often, and the same one for every image of an item."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from degflow_aug.data.turns import draw_turn


@pytest.mark.parametrize(
    ("flip", "rotate", "count"), [(False, False, 1), (True, False, 2), (False, True, 4), (True, True, 8)]
)
def test_turns_are_drawn_equally_often(flip: bool, rotate: bool, count: int) -> None:
    patch = np.arange(27).reshape(3, 3, 3)
    positions = [np.rot90(image, turn).tobytes() for image in (patch, patch[:, ::-1]) for turn in range(4)]
    rng = np.random.default_rng(0)
    found: Counter[int] = Counter()
    for _ in range(100 * count):
        turn = draw_turn(rng, flip=flip, rotate=rotate)
        np.testing.assert_array_equal(turn(patch), turn(patch + 27) - 27)
        found[positions.index(turn(patch).tobytes())] += 1
    assert len(found) == count
    assert min(found.values()) > 60


def test_as_many_numbers_are_drawn_whatever_the_flags() -> None:
    rests = set()
    for flags in ((False, False), (True, True)):
        rng = np.random.default_rng(1)
        draw_turn(rng, flip=flags[0], rotate=flags[1])
        rests.add(rng.random())
    assert len(rests) == 1
