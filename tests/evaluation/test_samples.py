"""Pictures of an evaluation: the middles of the first scenes of each camera, as the methods render them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers.photographs import photograph
from helpers.random_networks import random_rae, random_velocity

from degflow_aug.data.tensors import to_array, to_tensor
from degflow_aug.degradations.bicubic import Bicubic
from degflow_aug.degradations.fitted.fitted_kernel import FittedKernel
from degflow_aug.degradations.generator.degflow import DegFlow
from degflow_aug.evaluation.evaluation import MOST_OF_A_CAMERA, MOST_SCENES, SIDE, EvaluationScene, keep_middle
from degflow_aug.evaluation.samples import GAIN, draw_samples


def scene(number: int, height: int, width: int, scales: tuple[float, ...], camera: str = "phone") -> EvaluationScene:
    """A photograph with others for its real views."""
    images = [to_tensor(photograph(10 * number + index, height, width))[None] for index in range(len(scales) + 1)]
    return EvaluationScene(f"{number:03}", camera, images[0], dict(zip(scales, images[1:], strict=True)))


def kept(scenes: list[EvaluationScene]) -> list[EvaluationScene]:
    middles: list[EvaluationScene] = []
    for each in scenes:
        keep_middle(middles, each)
    return middles


def generator() -> DegFlow:
    return DegFlow(random_rae(residual=True), random_velocity(), knots=(1.0, 2.0, 4.0), s_max=4.0)


@pytest.mark.parametrize(("height", "width"), [(320, 300), (64, 80), (192, 288)])
def test_columns_are_the_middles_of_the_images(height: int, width: int) -> None:
    given = scene(1, height, width, (2.0,))
    learned = generator()
    (sample,) = draw_samples(learned, kept([given]))
    assert sample.title == "phone/001 x2"
    assert sample.columns == ("HR", "real", "bicubic", "DegFlow", f"DegFlow - real, x{GAIN}")
    high, wide = min(height, SIDE), min(width, SIDE)
    assert sample.pixels.shape == (high, 5 * wide, 3)
    columns = np.split(sample.pixels, 5, axis=1)
    top, left = (height - high) // 2, (width - wide) // 2
    for column, image in zip(columns, (given.hr, given.views[2.0]), strict=False):
        np.testing.assert_array_equal(column, to_array(image[0])[top : top + high, left : left + wide])
    if height <= SIDE:
        for column, method in zip(columns[2:4], (Bicubic().render, learned.render), strict=True):
            expected = to_array(method(given.hr, 2.0)[0])
            np.testing.assert_array_equal(column, expected[:, (width - wide) // 2 : (width - wide) // 2 + wide])


def test_few_scenes_and_scales_stand_for_many() -> None:
    scales = (1.5, 2.0, 2.5, 3.0, 4.0)
    scenes = [scene(number, 32, 32, scales, camera) for camera in "abc" for number in range(6)]
    middles = kept(scenes)
    assert [each.camera for each in middles] == ["a"] * MOST_OF_A_CAMERA + ["b"] * MOST_OF_A_CAMERA
    assert len(middles) == MOST_SCENES
    titles = [sample.title for sample in draw_samples(generator(), middles)]
    assert titles[:3] == ["a/000 x1.5", "a/000 x2.5", "a/000 x4"]


def test_a_kernel_alone_has_its_own_columns() -> None:
    kernels = torch.zeros(2, 3, 5, 5)
    kernels[..., 2, 2] = 1
    (sample,) = draw_samples(FittedKernel(torch.tensor([1.0, 2.0]), kernels), kept([scene(1, 48, 48, (2.0,))]))
    assert sample.columns == ("HR", "real", "bicubic", "fitted kernel", f"fitted kernel - real, x{GAIN}")
    hr, _, _, kernel, _ = np.split(sample.pixels, 5, axis=1)
    np.testing.assert_array_equal(hr, kernel)
