from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from skimage import data
from torch import Tensor

from degflow_aug.degradations.grid import lr_size
from degflow_aug.degradations.simulator.camera import SimulatedCamera
from degflow_aug.degradations.simulator.optics import CameraOptics, point_spread

SCALES = [1.0, 1.01, 1.5, 2.0, 2.9, 4.0, 6.5]


@pytest.fixture(scope="module")
def photograph() -> Tensor:
    return torch.from_numpy(data.astronaut()[:256, :320]).permute(2, 0, 1)[None].float() / 255


def psnr(a: Tensor, b: Tensor, margin: int = 16) -> float:
    return -10 * float((a - b)[..., margin:-margin, margin:-margin].double().square().mean().log10())


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("size", [(64, 64), (37, 50), (8, 9)])
def test_sizes_and_range(scale: float, size: tuple[int, int]) -> None:
    hr = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    lr, view = SimulatedCamera()(hr, scale), SimulatedCamera().render(hr, scale)
    assert lr.shape == (2, 3, *lr_size(*size, scale))
    assert view.shape == hr.shape
    assert 0 <= min(lr.min(), view.min()) <= max(lr.max(), view.max()) <= 1
    torch.testing.assert_close((lr * 255).round() / 255, lr)


def test_scale_one_is_hr_itself(photograph: Tensor) -> None:
    torch.testing.assert_close(SimulatedCamera()(photograph, 1), photograph)
    torch.testing.assert_close(SimulatedCamera().render(photograph, 1), photograph)


@pytest.mark.parametrize("scale", [1.5, 2.0, 2.9, 4.0])
@pytest.mark.parametrize("phase", [(0.5, 0.0), (0.5, 0.5), (0.3, 0.7)])
def test_a_view_hardly_depends_on_where_the_grid_falls(
    photograph: Tensor, scale: float, phase: tuple[float, float]
) -> None:
    camera = SimulatedCamera().without_noise()
    shifted = SimulatedCamera(replace(camera.optics, phase=phase))
    assert psnr(camera.render(photograph, scale), shifted.render(photograph, scale)) > 44


def test_a_view_stays_aligned_with_hr() -> None:
    ramp = torch.linspace(0.2, 0.8, 96).expand(1, 3, 96, 96)
    optics = replace(CameraOptics(), gamma=1.0, shot_noise=0.0, read_noise=0.0, chromatic_shift=(0.0, 0.0))
    for image in (ramp, ramp.mT):
        for scale in (1.5, 2.0, 3.7):
            view = SimulatedCamera(optics).render(image, scale)
            torch.testing.assert_close(view[..., 24:-24, 24:-24], image[..., 24:-24, 24:-24], atol=4e-3, rtol=0)


def test_noise_has_the_stated_variance() -> None:
    optics = replace(CameraOptics(), gamma=1.0, sharpening=0.0, levels=2**20, shot_noise=2e-4, read_noise=1e-5)
    for level in (0.2, 0.7):
        for scale, gain in ((1.5, 0.5), (2.0, 1.0), (3.0, 1.0)):
            lr = SimulatedCamera(optics)(torch.full((1, 3, 300, 300), level), scale)
            np.testing.assert_allclose(lr.double().var(), gain * (2e-4 * level + 1e-5), rtol=0.05)
            np.testing.assert_allclose(lr.double().mean(), level, atol=3e-4)


def test_noise_depends_on_image_scale_and_seed_only(photograph: Tensor) -> None:
    camera, two = SimulatedCamera(), torch.cat([photograph.flip(-1), photograph])
    camera.seed(0)
    first = camera(photograph, 2.0)
    assert torch.equal(first, camera(photograph, 2.0))
    # The transforms of a batch may round otherwise than those of one image, which moves a few values by a gray level.
    moved = (first[0] - camera(two, 2.0)[1]).abs() * 255
    assert moved.max() < 1.01
    assert (moved > 0).float().mean() < 1e-4
    clean = camera.without_noise()(two, 2.0)
    noise = camera(two, 2.0) - clean
    assert not torch.allclose(noise[0], noise[1].flip(-1))
    camera.seed(1)
    assert not torch.equal(first, camera(photograph, 2.0))


def moments(kernel: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (2,) and covariance (2, 2) of a kernel in (x, y) pixels."""
    position = torch.arange(kernel.shape[-1], dtype=torch.float64) - kernel.shape[-1] // 2
    grid = torch.stack(torch.meshgrid(position, position, indexing="xy"))
    mean = (grid * kernel).sum((-2, -1))
    centred = grid - mean[:, None, None]
    return mean, torch.einsum("ixy,jxy,xy->ij", centred, centred, kernel)


@pytest.mark.parametrize("scale", [1.5, 2.0, 4.0])
def test_spot_of_a_plain_gaussian_has_the_closed_form(scale: float) -> None:
    optics = replace(CameraOptics(), halo=0.0)
    for channel, kernel in enumerate(point_spread(optics, scale)):
        assert float(kernel.sum()) == pytest.approx(1)
        mean, covariance = moments(kernel)
        shift = (scale - 1) * (channel - 1)
        np.testing.assert_allclose(mean.numpy(), [0.08 * shift, 0.05 * shift], atol=1e-3)
        widened = scale**2 - 1
        sigma = 0.6 * optics.channel_blur[channel] * widened**0.5
        c, s = np.cos(0.6), np.sin(0.6)
        turn = np.array([[c, -s], [s, c]])
        spot = turn @ np.diag([1.12, 1 / 1.12]) @ turn.T * sigma**2
        # The box, and the pixels and grid points over which the spot is integrated.
        expected = spot + np.eye(2) * (widened + 1 - 1 / 25) / 12
        np.testing.assert_allclose(covariance.numpy(), expected, atol=0.02 * expected[0, 0])


def test_spot_shrinks_to_an_impulse() -> None:
    kernels = point_spread(CameraOptics(), 1 + 1e-7)
    centre = kernels.shape[-1] // 2
    np.testing.assert_allclose(kernels[:, centre, centre].numpy(), 1, atol=1e-6)


def test_bad_optics_are_refused() -> None:
    with pytest.raises(ValueError, match="odd oversampling, got 4"):
        CameraOptics(oversampling=4)
    with pytest.raises(ValueError, match="above 0, at most 16 in degradation"):
        CameraOptics(gamma=0)
    for noise in ({"shot_noise": -1e-5}, {"read_noise": -1e-7}, {"sharpening_sigma": 0.0}, {"shot_noise": 1e9},
                  {"oversampling": 10**7 + 1}, {"blur": float("inf")}):  # fmt: skip
        with pytest.raises(ValueError, match=f"expected a (whole )?number .* in degradation.{next(iter(noise))}"):
            CameraOptics(**noise)
