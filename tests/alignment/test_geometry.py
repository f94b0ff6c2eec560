"""Motions: closed forms, derivatives by differences, rectangles by trying all of them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from degflow_aug.alignment.geometry import (
    Rectangle,
    apply,
    covered,
    jacobian,
    largest_rectangle,
    motion_of,
    reduction,
    similarity,
)

HR, LR = (300, 400), (120, 170)


@pytest.mark.parametrize(("scale", "rotation", "shift"), [(1, 0, (0, 0)), (2.5, 2, (40, -7.5)), (4, -1.3, (-3, 12))])
def test_a_similarity_is_what_it_was_made_of(scale: float, rotation: float, shift: tuple[float, float]) -> None:
    motion = motion_of(similarity(scale, rotation, shift, HR, LR), HR, LR)
    assert motion.scale == pytest.approx(scale)
    assert motion.rotation == pytest.approx(rotation)
    assert motion.shift == pytest.approx(shift)
    assert motion.anisotropy == pytest.approx(1)


def test_no_motion_halves_coordinates_of_pixel_centres() -> None:
    matrix = similarity(2, 0, (0, 0), (100, 80), (50, 40))
    # The centre of the first LR pixel lies between the first two HR pixels.
    assert apply(matrix, np.array([[0.5, 0.5], [0, 0]])) == pytest.approx(np.array([[0, 0], [-0.25, -0.25]]))


def test_the_jacobian_is_the_derivative() -> None:
    matrix = similarity(2, 1, (3, 4), HR, LR)
    matrix[2, :2] = 1e-4, -2e-4
    point, step = np.array([37.0, 81.0]), 1e-4
    numeric = [
        (apply(matrix, point + step * axis) - apply(matrix, point - step * axis)) / (2 * step) for axis in np.eye(2)
    ]
    assert jacobian(matrix, point) == pytest.approx(np.stack(numeric, 1), rel=1e-6)


@pytest.mark.parametrize("factor", [2, 3, 5])
def test_reduction_is_that_of_averaging(factor: int) -> None:
    """The mean of x over the pixels that become one is where that one lies."""
    ramp = np.arange(30, dtype=np.float32)[None].repeat(30, 0)
    small = cv2.resize(ramp, (30 // factor, 30 // factor), interpolation=cv2.INTER_AREA)
    places = np.stack([small[0], small[0]], -1).astype(float)
    assert apply(reduction(factor), places)[:, 0] == pytest.approx(np.arange(30 // factor))


def test_reduction_crops_first() -> None:
    assert apply(reduction(1.0, (7, 9)), np.array([[7.0, 9.0]])) == pytest.approx(np.zeros((1, 2)))
    assert apply(reduction(4.0, (8, 0)), np.array([[9.5, 1.5]])) == pytest.approx(np.zeros((1, 2)))


def test_coverage_is_where_lr_is() -> None:
    matrix = similarity(2, 0, (10, 0), (40, 40), (20, 20))
    mask = covered(matrix, (40, 40), (20, 20), 0)
    there = apply(matrix, np.stack(np.meshgrid(np.arange(40.0), np.arange(40.0)), -1))
    assert np.array_equal(mask, ((there >= 0) & (there <= 19)).all(-1))
    assert not mask[:, -10:].any()
    assert np.array_equal(covered(matrix, (40, 40), (20, 20), 0, 3), mask[::3, ::3])


@pytest.mark.parametrize("seed", range(5))
def test_the_largest_rectangle_is_the_best_of_all(seed: int) -> None:
    mask = np.random.default_rng(seed).random((7, 9)) < 0.75
    found = largest_rectangle(mask)
    best = max(
        (bottom - top) * (right - left)
        for top in range(7)
        for bottom in range(top + 1, 8)
        for left in range(9)
        for right in range(left + 1, 10)
        if mask[top:bottom, left:right].all()
    )
    assert mask[found.top : found.bottom, found.left : found.right].all()
    assert (found.bottom - found.top) * (found.right - found.left) == best
    assert largest_rectangle(np.zeros((3, 3), bool)) == Rectangle(0, 0, 0, 0)
