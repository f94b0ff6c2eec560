"""The anchored autoencoder: what it adds to, in whole images, tiles, patches and bundles."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from helpers.random_networks import random_rae, random_velocity
from torch import Tensor

import degflow_aug
from degflow_aug.archs.generator.rae_arch import ResidualAutoencoder
from degflow_aug.bundles.bundle import Bundle, GeneratorSpec, save_bundle
from degflow_aug.degradations.fitted.camera_kernels import Anchor, CameraKernels
from degflow_aug.degradations.fitted.fitted_kernel import FittedKernel
from degflow_aug.degradations.generator.degflow import DegFlow

KNOTS = (1.0, 2.0, 4.0)


def gaussian_kernel(width: float = 1.0) -> FittedKernel:
    """Gaussians of sigma ``width`` sqrt(s^2 - 1) / 2 at the knots, 15 pixels a side."""
    place = torch.arange(15.0) - 7
    kernels = [torch.zeros(3, 15, 15)]
    kernels[0][:, 7, 7] = 1
    for knot in KNOTS[1:]:
        row = torch.exp(-(place**2) / (0.5 * width**2 * (knot**2 - 1)))
        kernels.append((row[:, None] * row / (row.sum() ** 2)).expand(3, -1, -1))
    return FittedKernel(torch.tensor(KNOTS), torch.stack(kernels))


def generator(kernel: FittedKernel, *, fresh: bool = False, **settings: object) -> DegFlow:
    """A random anchored generator; a ``fresh`` decoder has its last layer at zero."""
    rae = random_rae(4, residual=True, anchored=True)
    if fresh:
        for parameter in rae.decoder.refine[1].parameters():
            parameter.data.zero_()
    velocity = random_velocity(rae_channels=4)
    return DegFlow(rae, velocity, kernel=kernel, **{"solver": "euler", "steps": 2, **settings})


def close(found: Tensor, truth: Tensor, tolerance: float = 2e-5) -> None:
    torch.testing.assert_close(found, truth, rtol=0, atol=tolerance)


@pytest.mark.parametrize("shape", [(1, 3, 40, 64), (3, 3, 33, 31)])
def test_anchor_is_the_linear_camera(shape: tuple[int, ...]) -> None:
    kernel, hr = gaussian_kernel(), torch.rand(shape)
    scales = torch.linspace(1, 4, shape[0])
    found = Anchor(kernel)(hr, scales)
    for index, scale in enumerate(scales.tolist()):
        close(found[index : index + 1].clamp(0, 1), kernel.render(hr[index : index + 1], scale))
    close(Anchor(kernel)(hr, scales + 4), Anchor(kernel)(hr, torch.full_like(scales, 4)))


def test_kernels_of_cameras_are_mixed_by_their_weights() -> None:
    one, other, hr = gaussian_kernel(), gaussian_kernel(0.6), torch.rand(3, 3, 32, 32)
    scales, weights = torch.tensor([2.0, 3.0, 4.0]), torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.3, 0.7]])
    found = Anchor(CameraKernels([one, other]))(hr, scales, weights)
    ends = torch.stack([Anchor(one)(hr, scales), Anchor(other)(hr, scales)], 1)
    close(found, (ends * weights[:, :, None, None, None]).sum(1))


@pytest.mark.parametrize("scale", [1.0, 1.7, 2.0, 4.0])
def test_a_fresh_generator_is_the_fitted_kernel(scale: float) -> None:
    kernel, hr = gaussian_kernel(), torch.rand(2, 3, 50, 41)
    degflow = generator(kernel, fresh=True)
    close(degflow.render(hr, scale), kernel.render(hr, scale))
    close(degflow(hr, scale), kernel(hr, scale))
    close(degflow.reconstruct(hr, hr.flip(0), scale), kernel.render(hr, scale))


def test_output_adds_to_the_base() -> None:
    rae, image, hr, base = random_rae(4, residual=True), *torch.rand(3, 2, 3, 32, 32)
    with torch.no_grad():
        latent, features = rae.encode(image)[0], rae.encode(hr)[1]
        close(rae.decode(latent, features.on(base)) - base, rae.decode(latent, features) - hr)
        close(rae(image, hr, 0.0, base)[0], rae.decode(latent, features.on(base)))
        assert features.on(None) is features


def test_an_anchored_output_has_to_be_added_to_something() -> None:
    with pytest.raises(ValueError, match="expected an anchored autoencoder to be residual"):
        ResidualAutoencoder(base_channels=4, anchored=True)


def test_tiles_change_nothing() -> None:
    whole, tiled = (generator(gaussian_kernel(), tile=tile) for tile in (1024, 256))
    hr, view = torch.rand(2, 1, 3, 400, 360)
    for one, other in zip(tiled.render_scales(hr, [1.5, 3.0]), whole.render_scales(hr, [1.5, 3.0]), strict=True):
        close(one, other)
    close(tiled.reconstruct(hr, view, 2.0), whole.reconstruct(hr, view, 2.0))


def test_bfloat16_is_near_float32() -> None:
    hr = torch.rand(2, 3, 64, 64)
    plain, amp = generator(gaussian_kernel()), generator(gaussian_kernel(), amp="bf16")
    distance = (amp.render(hr, 2.5) - plain.render(hr, 2.5)).abs()
    assert distance.max() < 0.2
    assert distance.mean() < 0.01


def test_bundle_brings_its_kernel(tmp_path: Path) -> None:
    kernel, hr = gaussian_kernel(), torch.rand(1, 3, 32, 48)
    degflow = generator(kernel)
    spec = GeneratorSpec(
        rae=degflow.rae.spec, velocity=degflow.velocity.spec, knots=KNOTS, s_max=4.0, solver="euler", steps=2
    )
    save_bundle(tmp_path / "c.safetensors", Bundle(spec, degflow.rae, degflow.velocity, [kernel.state_dict()]))
    loaded = degflow_aug.load_generator(tmp_path / "c.safetensors")
    close(loaded.render(hr, 3.3), degflow.render(hr, 3.3), 1e-6)
    save_bundle(tmp_path / "bare.safetensors", Bundle(spec, degflow.rae, degflow.velocity))
    with pytest.raises(ValueError, match="expected the fitted kernel of an anchored autoencoder, got none"):
        degflow_aug.load_generator(tmp_path / "bare.safetensors")
