"""Pairs of photographs with a known motion, and pairs that must not be called aligned."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage import data

from benchmarks.alignment.cases import Case, draw, make, true_error
from degflow_aug.alignment.features import _matches
from degflow_aug.alignment.pair import Alignment, align_pair, common_crop

PHOTOGRAPHS = {"coffee": data.coffee, "astronaut": data.astronaut, "chelsea": data.chelsea, "gravel": data.gravel}


def photograph(name: str) -> np.ndarray:
    image = PHOTOGRAPHS[name]()
    return image if image.ndim == 3 else np.repeat(image[..., None], 3, 2)


def worst_error(found: Alignment, truth: np.ndarray, hr: np.ndarray, lr: np.ndarray) -> float:
    """Largest distance to the truth in HR pixels over the part that would be written."""
    assert found.matrix is not None
    crop = common_crop([found.matrix], hr.shape[:2], [lr.shape[:2]])
    return float(true_error(found.matrix, truth, crop.left, crop.top, crop.right - 1, crop.bottom - 1).max())


@pytest.mark.parametrize("index", range(12))
def test_a_known_motion_is_found(index: int) -> None:
    case = draw(list(PHOTOGRAPHS)[index % 4], 7000 + index)
    # One end of every range, too.
    extremes = {0: {"scale": 1.0}, 1: {"scale": 4.0}, 2: {"exposure": 1.4}, 3: {"exposure": 0.7}, 4: {"rotation": 2.0}}
    case = dataclasses.replace(case, **extremes.get(index, {}))  # type: ignore[arg-type]
    hr, lr, truth = make(case, photograph(case.photograph))
    found = align_pair(hr, lr)
    assert found.reason == ""
    assert found.motion is not None
    assert found.gains is not None
    assert worst_error(found, truth, hr, lr) < 0.3
    assert found.motion.scale == pytest.approx(case.scale, rel=2e-3)
    assert found.motion.rotation == pytest.approx(case.rotation, abs=0.1)
    assert found.gains == pytest.approx(tuple(case.exposure * value for value in case.channels), rel=0.03)
    assert found.residual.worst < 0.3


def test_sixteen_bits_are_taken() -> None:
    case = draw("coffee", 1)
    hr, lr, truth = make(case, photograph("coffee"))
    found = align_pair(hr.astype(np.uint16) * 257, lr.astype(np.uint16) * 257)
    assert found.reason == ""
    assert worst_error(found, truth, hr, lr) < 0.3


def test_a_perspective_is_followed() -> None:
    """A tripod that tilts a little: no similarity fits, a homography does."""
    hr, truth = photograph("gravel"), np.eye(3)
    truth[2, :2] = 3e-5, -2e-5
    y, x = np.mgrid[0:512, 0:512].astype(float)
    there = np.stack([x, y, np.ones_like(x)], -1) @ np.linalg.inv(truth).T
    from scipy.ndimage import map_coordinates

    places = [there[..., 1] / there[..., 2], there[..., 0] / there[..., 2]]
    lr = map_coordinates(hr[..., 0].astype(float), places, order=3, mode="mirror").round().clip(0, 255)
    lr = np.repeat(lr.astype(np.uint8)[..., None], 3, 2)
    found = align_pair(hr, lr)
    assert found.reason == ""
    assert found.matrix is not None
    assert abs(found.matrix[2, 0]) > 1e-5
    assert worst_error(found, truth, hr, lr) < 0.3


def flat(seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 2, (400, 600, 3))
    return (
        (gaussian_filter(photograph("coffee").astype(float), (60, 60, 0)) + noise).round().clip(0, 255).astype(np.uint8)
    )


def seen(name: str, **more: object) -> np.ndarray:
    case = dataclasses.replace(Case(name, 2.0, 0.5, (3.0, 2.0), 1.0, (1.0, 1.0, 1.0), 0.4, 1), **more)  # type: ignore[arg-type]
    return make(case, photograph(name))[1]


def moved_half() -> np.ndarray:
    """An LR photograph in which the right half has moved by two LR pixels."""
    lr = seen("gravel").copy()
    middle = lr.shape[1] // 2
    lr[:, middle:-2] = lr[:, middle + 2 :]
    return lr


@pytest.mark.parametrize(
    ("hr", "lr", "part"),
    [
        (lambda: flat(0), lambda: flat(1), "texture"),
        (lambda: photograph("coffee"), lambda: seen("astronaut"), "two different scenes"),
        (lambda: photograph("gravel")[:, :240], lambda: seen("gravel")[:, -110:], ""),
        (lambda: photograph("coffee"), lambda: np.zeros((200, 300, 3), np.uint8), ""),
        (lambda: seen("coffee"), lambda: photograph("coffee"), "HR must be the finest"),
        (lambda: photograph("gravel"), moved_half, ""),
        (lambda: photograph("chelsea"), lambda: np.full((8, 8, 3), 90, np.uint8), ""),
    ],
    ids=["textureless", "two scenes", "no overlap", "black", "swapped", "half moved", "tiny"],
)
def test_what_cannot_be_aligned_says_why(hr: object, lr: object, part: str) -> None:
    found = align_pair(hr(), lr())  # type: ignore[operator]
    assert found.reason != ""
    assert part in found.reason
    assert "\n" not in found.reason


def test_a_stricter_limit_refuses_more() -> None:
    hr, lr, _ = make(draw("chelsea", 7), photograph("chelsea"))
    found = align_pair(hr, lr, limit=1e-3)
    assert found.reason != ""


def test_matching_is_mutual_with_brute_force() -> None:
    """Lowe's ratio test against sorting all distances."""
    rng = np.random.default_rng(0)
    lr = rng.random((70, 16), np.float32)
    hr = np.concatenate([lr[:30] + rng.normal(0, 0.05, (30, 16)).astype(np.float32), rng.random((40, 16), np.float32)])
    distances = np.linalg.norm(hr[:, None].astype(float) - lr[None], axis=2)
    order = distances.argsort(1)
    rows = np.arange(70)
    good = distances[rows, order[:, 0]] < 0.8 * distances[rows, order[:, 1]]
    hr_found, lr_found = _matches(hr, lr)
    assert np.array_equal(hr_found, np.flatnonzero(good))
    assert np.array_equal(lr_found, order[good, 0])
    assert len(hr_found) >= 30


def test_views_of_city100_are_where_they_are(city100: Path) -> None:
    """Published as aligned: the motion found is none, to about a pixel."""
    from degflow_aug.files.image_file import read_image

    folder = city100 / "City100_iPhoneX"
    found = align_pair(read_image(folder / "001H.PNG"), read_image(folder / "001L.PNG"))
    assert found.motion is not None
    assert found.motion.scale == pytest.approx(1, abs=5e-3)
    assert abs(found.motion.rotation) < 0.2
