"""Lookups against PyTorch's own sampling and against searching the nearest pixels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers.query_reference import images, nearest_pixels, random_queries

from degflow_aug.archs.arbitrary_scale.arbitrary_scale_network import pixel_centres
from degflow_aug.archs.arbitrary_scale.feature_lookup import (
    bilinear,
    neighbours,
)


@pytest.mark.parametrize("side", [1, 2, 3, 4])
@pytest.mark.parametrize(("height", "width"), [(5, 7), (1, 2), (2, 9)])
def test_neighbours_are_the_nearest_pixels_row_by_row(side: int, height: int, width: int) -> None:
    coord, _ = random_queries(1, 2, 40)
    near = neighbours(coord, height, width, side)
    for sample in range(2):
        for query in range(40):
            y, x = coord[sample, query].tolist()
            pairs = [(i, j) for i in nearest_pixels(y, height, side) for j in nearest_pixels(x, width, side)]
            assert near.index[sample, query].tolist() == [(sample * height + i) * width + j for i, j in pairs]
            offsets = [[(y + 1) * height / 2 - i - 0.5, (x + 1) * width / 2 - j - 0.5] for i, j in pairs]
            np.testing.assert_allclose(near.offset[sample, query], offsets, atol=1e-12)


@pytest.mark.parametrize(("lr", "hr"), [(7, 7), (48, 96), (301, 903), (2000, 2000)])
def test_a_query_between_pixels_takes_the_same_ones_in_float32(lr: int, hr: int) -> None:
    """At scales 1, 2 and 3 queries lie on centres of pixels or halfway, where rounding would decide."""
    coord = pixel_centres(1, hr).unsqueeze(0)
    exact = (np.arange(hr) * 2 + 1) * lr - hr
    whole, rest = np.divmod(exact, 2 * hr)
    near = neighbours(coord, 1, lr, 2)
    assert np.array_equal(near.index[0, :, 0], np.clip(whole, 0, lr - 1))
    assert np.array_equal(near.index[0, :, 1], np.clip(whole + 1, 0, lr - 1))
    nearest = neighbours(coord, 1, lr, 1).index[0, :, 0]
    assert np.array_equal(nearest, np.clip(whole + (rest >= hr), 0, lr - 1))


@pytest.mark.parametrize("size", [(12, 10), (5, 4), (17, 3)])
def test_bilinear_over_all_pixels_is_resizing(size: tuple[int, int]) -> None:
    image = images(1, 2, 3, 6, 5)
    coord = pixel_centres(*size).double().expand(2, -1, -1)
    found = bilinear(image, coord).transpose(1, 2).reshape(2, 3, *size)
    expected = F.interpolate(image, size=size, mode="bilinear", align_corners=False)
    torch.testing.assert_close(found, expected, atol=2e-6, rtol=0)
