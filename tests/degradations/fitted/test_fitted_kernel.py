from __future__ import annotations

import math

import pytest
import torch
from skimage import data
from torch import Tensor

from degflow_aug.degradations.bicubic import Bicubic
from degflow_aug.degradations.convolution import convolve
from degflow_aug.degradations.fitted.fitted_kernel import FittedKernel
from degflow_aug.degradations.fitted.pseudo_views import pseudo_views
from degflow_aug.degradations.grid import lr_size, to_lr_grid
from degflow_aug.degradations.simulator.camera import SimulatedCamera

SCALES = [1.0, 1.5, 2.0, 2.9, 4.0]


def photograph(name: str) -> Tensor:
    return torch.from_numpy(getattr(data, name)()[:256, :384].copy()).permute(2, 0, 1)[None].float() / 255


@pytest.fixture(scope="module")
def fitted() -> FittedKernel:
    camera = SimulatedCamera()
    images = [photograph(name) for name in ("astronaut", "coffee")]
    return FittedKernel.fit((hr[0], {s: camera.render(hr, s)[0] for s in (2.0, 4.0)}) for hr in images)


@pytest.fixture
def batch() -> tuple[Tensor, Tensor]:
    """HR (4, 3, 48, 40) and views of it at the knots, (4, 3, 3, 48, 40)."""
    views = torch.rand(4, 3, 3, 48, 40, generator=torch.Generator().manual_seed(0))
    return views[:, 0], views


def psnr(a: Tensor, b: Tensor) -> float:
    return -10 * math.log10(float((a - b)[..., 16:-16, 16:-16].square().mean()))


def test_recovers_a_known_gaussian() -> None:
    position = torch.arange(31) - 15.0
    profile = torch.exp(-((position / 1.5) ** 2) / 2)
    truth = (profile[:, None] * profile / profile.sum() ** 2).expand(3, 31, 31)
    hr = torch.rand(2, 3, 256, 256, generator=torch.Generator().manual_seed(0))
    views = convolve(hr, truth[None])
    result = FittedKernel.fit((x, {3.0: y}) for x, y in zip(hr, views, strict=True))
    assert result.knots.tolist() == [1, 3]
    torch.testing.assert_close(result.kernels[1], truth, atol=5e-4, rtol=0)


@pytest.mark.parametrize("scale", SCALES)
def test_beats_bicubic_on_a_held_out_photograph(fitted: FittedKernel, scale: float) -> None:
    hr = photograph("chelsea")
    truth = SimulatedCamera().without_noise().render(hr, scale)
    if scale == 1:
        torch.testing.assert_close(fitted.render(hr, 1.0), hr, atol=1e-5, rtol=0)
    else:
        assert psnr(fitted.render(hr, scale), truth) > psnr(Bicubic().render(hr, scale), truth) + 1


@pytest.mark.parametrize("scale", [1.5, 2.5, 3.0, 3.5])
def test_pseudo_views_come_within_a_decibel_or_two_of_the_sensor_noise(fitted: FittedKernel, scale: float) -> None:
    hr, camera = photograph("chelsea"), SimulatedCamera()
    views = torch.stack([hr, camera.render(hr, 2.0), camera.render(hr, 4.0)], 1)
    pseudo = pseudo_views(fitted, hr, views, torch.tensor([scale]))
    assert psnr(pseudo, camera.without_noise().render(hr, scale)) > 41


def test_lr_is_the_view_on_the_lr_grid(fitted: FittedKernel) -> None:
    hr = torch.rand(2, 3, 41, 8, generator=torch.Generator().manual_seed(0))
    lr = fitted(hr, 2.9)
    assert lr.shape == (2, 3, *lr_size(41, 8, 2.9))
    torch.testing.assert_close(lr, to_lr_grid(fitted.render(hr, 2.9), 2.9))


def test_patches_are_cut_from_the_views_of_the_whole(fitted: FittedKernel) -> None:
    hr = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    scales = torch.tensor([1.0, 2.0, 3.3, 4.0])
    patches = fitted.lr_patches(hr, scales, 16)
    for i, (scale, side) in enumerate(zip(scales.tolist(), (16, 32, 53, 64), strict=True)):
        view = fitted.render(hr[i : i + 1], round(scale, 6))[..., :side, :side]
        torch.testing.assert_close(patches[i : i + 1], to_lr_grid(view, side / 16), atol=1e-5, rtol=0)


def test_pseudo_views_follow_their_definition(fitted: FittedKernel, batch: tuple[Tensor, Tensor]) -> None:
    hr, views = batch
    scales = [1.2, 1.9, 2.6, 3.9]
    result = pseudo_views(fitted, hr, views, torch.tensor(scales))
    for i, scale in enumerate(scales):
        low = 0 if scale < 2 else 1
        a, b = fitted.knots[low : low + 2].tolist()
        spread = [math.sqrt(value**2 - 1) for value in (a, scale, b)]
        share = (spread[1] - spread[0]) / (spread[2] - spread[0])
        direct = convolve(hr[i : i + 1], fitted.view_parameters(torch.tensor([scale])).blur)
        for k, weight in ((low, 1 - share), (low + 1, share)):
            direct += weight * (views[i : i + 1, k] - convolve(hr[i : i + 1], fitted.kernels[k][None]))
        torch.testing.assert_close(result[i : i + 1], direct.clamp(0, 1), atol=2e-5, rtol=0)


def test_a_pseudo_view_at_a_knot_is_its_view(fitted: FittedKernel, batch: tuple[Tensor, Tensor]) -> None:
    hr, views = batch
    for k, knot in enumerate(fitted.knots):
        torch.testing.assert_close(pseudo_views(fitted, hr, views, knot.expand(4)), views[:, k], atol=2e-5, rtol=0)


def test_knots_that_binary_cannot_write_are_inside_the_range() -> None:
    kernels = torch.zeros(2, 3, 3, 3)
    kernels[:, :, 1, 1] = 1
    fitted = FittedKernel(torch.tensor([1.0, 3.3]), kernels)
    assert fitted.scale_range == (1.0, 3.3)
    assert fitted(torch.zeros(1, 3, 33, 33), 3.3).shape[-1] == 10
    assert fitted.lr_patches(torch.zeros(1, 3, 33, 33), torch.tensor([3.3]), 9).shape[-1] == 9


@pytest.mark.parametrize("scale", [0.9, 4.01, math.nan])
def test_scales_beyond_the_knots_are_refused(fitted: FittedKernel, scale: float) -> None:
    with pytest.raises(ValueError, match="expected a scale from 1 to 4"):
        fitted(torch.zeros(1, 3, 16, 16), scale)
    with pytest.raises(ValueError, match="expected a scale from 1 to 4"):
        fitted.lr_patches(torch.zeros(1, 3, 96, 96), torch.tensor([scale]).nan_to_num(4.5), 16)


@pytest.mark.parametrize(
    ("knots", "shape", "message"),
    [
        ([2.0, 4.0], (2, 3, 5, 5), "ascend from 1"),
        ([1.0], (1, 3, 5, 5), "ascend from 1"),
        ([1.0, 4.0, 2.0], (3, 3, 5, 5), "ascend from 1"),
        ([1.0, 2.0], (2, 3, 4, 4), "with k odd"),
        ([1.0, 2.0], (3, 3, 5, 5), "with k odd"),
        ([1.0, 2.0], (2, 3, 5, 5), "unit impulse"),
    ],
)
def test_bad_kernels_are_refused(knots: list[float], shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FittedKernel(torch.tensor(knots), torch.zeros(shape))


def test_bad_views_are_refused(fitted: FittedKernel, batch: tuple[Tensor, Tensor]) -> None:
    hr, views = batch
    with pytest.raises(ValueError, match="HR first"):
        pseudo_views(fitted, hr, views[:, 1:], torch.full((4,), 2.0))
    with pytest.raises(ValueError, match="one scale a sample"):
        pseudo_views(fitted, hr, views, torch.full((3,), 2.0))
