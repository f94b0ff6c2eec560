"""Half views: the mean of four pixels of the whole view, and nothing else."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from helpers.random_networks import random_rae, random_velocity

from benchmarks.cost import half_resolution
from benchmarks.shared.generators import gaussian_kernel
from degflow_aug.degradations.grid import lr_size, resize


@pytest.mark.parametrize(("side", "residual"), [(2, True), (4, False), (4, True)])
def test_a_half_view_is_the_whole_one_averaged(side: int, residual: bool) -> None:
    rae = random_rae(4, unshuffle=side, multipliers=(1, 1, 2), residual=residual).requires_grad_(False)
    image = torch.rand(2, 3, 64, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    latent, features = rae.encode(image)
    half = half_resolution.HalfAutoencoder(rae)(latent, rae.decoder.project(features))
    torch.testing.assert_close(half, F.avg_pool2d(rae.decode(latent, features), 2), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("anchored", [False, True])
def test_lr_comes_from_half_views(anchored: bool) -> None:
    rae = random_rae(4, unshuffle=2, residual=True, anchored=anchored)
    kernel = gaussian_kernel((1.0, 2.0, 4.0), 15)
    # Small enough for no view to leave [0, 1]: the whole one is clamped before it is averaged.
    rae.decoder.refine[1].weight.data *= 0.03
    rae.decoder.refine[1].bias.data *= 0.01
    hr = 0.3 + 0.4 * torch.rand(1, 3, 48, 80, generator=torch.Generator().manual_seed(0))
    view = F.avg_pool2d(half_resolution.DegFlow(rae, random_velocity(), kernel=kernel).render(hr, 2.5), 2)
    assert 0 < view.min() < view.max() < 1
    assert (view - F.avg_pool2d(hr, 2)).abs().max() > 0.003
    lr = half_resolution.HalfDegFlow(rae, random_velocity(), kernel=kernel).halve()(hr, 2.5)
    torch.testing.assert_close(lr, resize(view, lr_size(48, 80, 2.5)), rtol=1e-4, atol=1e-5)


def test_an_rae_without_squares_of_even_side_is_refused() -> None:
    with pytest.raises(ValueError, match="even pixel-unshuffle, got 1"):
        half_resolution.HalfAutoencoder(random_rae(4))
