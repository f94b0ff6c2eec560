"""Noise is learned beside whatever renders views, a fitted kernel as well."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from helpers.photographs import photograph

from degflow_aug.data.layouts.scene import Scene
from degflow_aug.data.tensors import to_tensor
from degflow_aug.degradations.fitted.fitted_kernel import FittedKernel
from degflow_aug.degradations.grid import resize, to_lr_grid
from degflow_aug.degradations.noise.residual_estimation import TooSmallError
from degflow_aug.degradations.noise.residual_noise import ResidualNoise
from degflow_aug.evaluation.evaluation import EvaluationScene
from degflow_aug.fit.noise_fit import learn_noise, spread_out
from degflow_aug.fit.schedule import Budget
from degflow_aug.fit.short_training import ShortRun

HOW = torch.device("cpu"), ShortRun(Budget(1))


def test_a_fitted_kernel_will_do() -> None:
    kernels = torch.zeros(2, 3, 5, 5)
    kernels[0, :, 2, 2] = 1
    kernels[1] = 1 / 25
    fitted = FittedKernel(torch.tensor([1.0, 2.0]), kernels)
    scenes = []
    for number in range(4):
        hr = to_tensor(photograph(number, 192, 192))[None]
        lr = to_lr_grid(fitted.render(hr, 2.0), 2.0)
        noisy = lr + 0.03 * torch.randn(lr.shape, generator=torch.Generator().manual_seed(number))
        scenes.append(EvaluationScene(str(number), "camera", hr, {2.0: resize(noisy, (192, 192)).clamp(0, 1)}))
    state, choice = learn_noise(fitted, iter(scenes), *HOW)
    assert choice.form == "Gaussian"
    assert [each.form for each in choice.compared] == ["none", "Gaussian", "learned"]
    noise = ResidualNoise.from_state(state)
    assert noise.scales.tolist() == [2]
    lr, real = (to_lr_grid(image, 2.0) for image in (fitted.render(scenes[0].hr, 2.0), scenes[0].views[2.0]))
    drawn = noise.sample(lr, torch.tensor([2.0]), torch.Generator().manual_seed(9))
    assert float(drawn.std()) == pytest.approx(float((real - lr).std()), rel=0.1)
    with pytest.raises(ValueError, match="expected real views to learn noise from, got none"):
        learn_noise(fitted, [], *HOW)


def test_scenes_are_thinned_out_camera_by_camera() -> None:
    def scene(camera: str, number: int) -> Scene:
        return Scene(f"{number:03}", camera, Path("hr.png"), {2.0: Path("lr.png")})

    scenes = [scene("phone", number) for number in range(150)] + [scene("zoom", number) for number in range(3)]
    kept = spread_out(scenes)
    phone = [int(each.name) for each in kept if each.camera == "phone"]
    assert phone == list(range(0, 150, 3))
    assert [each.name for each in kept if each.camera == "zoom"] == ["000", "001", "002"]


def test_views_that_are_no_numbers_are_refused() -> None:
    kernels = torch.tensor([1, math.inf]).view(2, 1, 1, 1).expand(2, 3, 1, 1)
    hr = to_tensor(photograph(0, 192, 192))[None]
    with pytest.raises(ValueError, match="view of 0 at x2 by the generator, got NaN or infinity"):
        learn_noise(FittedKernel(torch.tensor([1.0, 2.0]), kernels), [EvaluationScene("0", "", hr, {2.0: hr})], *HOW)


def test_images_too_small_are_told_from_other_mistakes() -> None:
    fitted = FittedKernel(torch.tensor([1.0, 2.0]), torch.eye(1).expand(2, 3, 1, 1))
    hr = to_tensor(photograph(0, 32, 32))[None]
    with pytest.raises(TooSmallError, match="expected LR images of at least"):
        learn_noise(fitted, [EvaluationScene("0", "camera", hr, {2.0: hr})], *HOW)
