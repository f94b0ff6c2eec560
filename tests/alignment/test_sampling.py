"""Cubic interpolation: against PyTorch's resize of the same kernel, and the polynomials that it reproduces."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from degflow_aug.alignment.geometry import Rectangle, similarity
from degflow_aug.alignment.rendering import clipped_share, render_view
from degflow_aug.alignment.sampling import sample


@pytest.mark.parametrize("channels", [None, 3])
def test_doubling_is_torchs_antialiased_bicubic(channels: int | None) -> None:
    """Enlarging, its antialiased filter is Keys' with a = -0.5."""
    image = np.random.default_rng(0).random((9, 11, channels or 1)).astype(np.float32)
    y, x = np.mgrid[4:14, 4:18] / 2 - 0.25
    found = sample(image if channels else image[..., 0], x, y).reshape(10, 14, -1)
    pixels = torch.from_numpy(image.transpose(2, 0, 1).copy())[None]
    expected = F.interpolate(pixels, scale_factor=2, mode="bicubic", antialias=True)[0].permute(1, 2, 0).numpy()
    assert found == pytest.approx(expected[4:14, 4:18], abs=1e-5)


def test_quadratics_are_reproduced() -> None:
    y, x = np.mgrid[0:12, 0:12].astype(np.float32)
    image = 0.3 * x * x - 0.2 * x * y + y - 4
    px, py = np.random.default_rng(1).uniform(2, 9, (2, 50))
    assert sample(image, px, py) == pytest.approx(0.3 * px * px - 0.2 * px * py + py - 4, abs=1e-3)


def test_edges_are_replicated() -> None:
    image = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert sample(image, np.array([-5.0, 7.0]), np.array([-5.0, 9.0])).tolist() == [0, 5]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_view_without_motion_is_the_photograph(dtype: type) -> None:
    lr = np.random.default_rng(2).integers(0, np.iinfo(dtype).max, (40, 50, 3), endpoint=True).astype(dtype)
    crop = Rectangle(5, 3, 45, 37)
    view = render_view(lr, np.eye(3), crop, (1.0, 1.0, 1.0))
    assert view.dtype == dtype
    assert np.array_equal(view, lr[3:37, 5:45])


def test_a_view_gets_the_light_of_hr() -> None:
    """Half the light, per channel, in linear light."""
    level = np.array([200, 150, 90])
    lr = np.tile(level.astype(np.uint8), (30, 30, 1))
    view = render_view(lr, similarity(2, 1, (0, 0), (60, 60), (30, 30)), Rectangle(10, 10, 50, 50), (2.0, 1.0, 0.5))
    light = ((level / 255 + 0.055) / 1.055) ** 2.4 / np.array([2.0, 1.0, 0.5])
    assert view == pytest.approx(np.broadcast_to((1.055 * light ** (1 / 2.4) - 0.055) * 255, view.shape), abs=0.6)


def test_the_clipped_share_is_counted() -> None:
    lr = np.full((40, 40, 3), 100, np.uint8)
    lr[:, :10, 1] = 255
    assert clipped_share(lr, np.eye(3), Rectangle(0, 0, 40, 40)) == pytest.approx(0.25)
