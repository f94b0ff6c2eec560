from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from degflow_aug.degradations.grid import check_scale, lr_size, resize, to_hr_grid, to_lr_grid


@pytest.mark.parametrize(
    ("size", "scale", "expected"),
    [((96, 128), 2.0, (48, 64)), ((97, 101), 2.9, (33, 35)), ((8, 8), 40.0, (1, 1)), ((10, 10), 1.0, (10, 10))],
)
def test_lr_size_rounds_and_never_vanishes(size: tuple[int, int], scale: float, expected: tuple[int, int]) -> None:
    assert lr_size(*size, scale) == expected


@pytest.mark.parametrize("size", [(24, 32), (31, 17), (64, 80)])
def test_resize_is_pillows_bicubic(size: tuple[int, int]) -> None:
    image = np.random.default_rng(0).random((48, 64), dtype=np.float32)
    reference = np.asarray(Image.fromarray(image).resize((size[1], size[0]), Image.Resampling.BICUBIC))
    ours = resize(torch.from_numpy(image)[None, None], size)[0, 0].numpy()
    np.testing.assert_allclose(ours, reference, atol=2e-6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_resize_keeps_the_dtype(dtype: torch.dtype) -> None:
    image = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0)).to(dtype)
    result = resize(image, (9, 7))
    assert result.dtype == dtype
    torch.testing.assert_close(result.double(), resize(image.double(), (9, 7)), atol=1e-2, rtol=0)


def test_both_ways_stay_in_range_and_keep_constants() -> None:
    steps = (torch.arange(32) // 8 % 2).float().expand(1, 3, 24, 32)
    lr = to_lr_grid(steps, 2.3)
    assert lr.shape == (1, 3, 10, 14)
    back = to_hr_grid(lr, (24, 32))
    for image in (lr, back):
        assert 0 <= image.min() <= image.max() <= 1
    flat = torch.full((1, 3, 24, 32), 0.3)
    torch.testing.assert_close(to_hr_grid(to_lr_grid(flat, 2.3), (24, 32)), flat)


def test_check_scale_forgives_what_float32_rounds_and_no_more() -> None:
    for end in (1.3, 2.9):
        assert check_scale(float(np.float32(end)), 1.3, 2.9) == end
    for beyond in (1.3 - 2e-6, 2.9 + 6e-6):
        with pytest.raises(ValueError, match=r"from 1\.3 to 2\.9"):
            check_scale(beyond, 1.3, 2.9)
