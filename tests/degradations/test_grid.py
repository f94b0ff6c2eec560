from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from degflow_aug.degradations.grid import (
    check_scale,
    lr_size,
    resample_patches,
    resize,
    to_hr_grid,
    to_lr_grid,
    without_autocast,
)


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


def noise(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(dtype)


def one_by_one(image: Tensor, sides: Tensor, lr_size: int) -> Tensor:
    squares = (image[i : i + 1, :, :side, :side] for i, side in enumerate(sides.tolist()))
    return torch.cat([resize(square, (lr_size, lr_size)) for square in squares])


@pytest.mark.parametrize(
    ("size", "lr_size"), [(64, 16), (50, 13), (33, 32), (24, 1), (9, 9), (192, 48), (300, 37), (40, 60)]
)
def test_patches_are_resize_of_every_square(size: int, lr_size: int) -> None:
    """In float32 PyTorch's own positions are off by up to 1e-5 at such sizes; ours stay within 2e-6 of the truth."""
    sides = torch.linspace(min(lr_size, size // 2), size, 11).round().long()
    image = noise(11, 3, size, size, dtype=torch.float64)
    truth = one_by_one(image, sides, lr_size)
    torch.testing.assert_close(resample_patches(image, sides, lr_size), truth, rtol=0, atol=1e-12)
    found = resample_patches(image.float(), sides, lr_size)
    torch.testing.assert_close(found.double(), truth, rtol=0, atol=2e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_patch_of_lr_size_is_left_as_it_is(dtype: torch.dtype) -> None:
    image = noise(2, 3, 40, 40, dtype=dtype)
    assert torch.equal(resample_patches(image, torch.tensor([24, 24]), 24), image[..., :24, :24])


def test_patches_see_nothing_outside_their_square() -> None:
    image, sides = noise(3, 3, 40, 40), torch.tensor([13, 20, 39])
    other = image.clone()
    for sample, side in zip(other, sides.tolist(), strict=True):
        sample[:, side:], sample[:, :, side:] = 1e6, -1e6
    assert torch.equal(resample_patches(other, sides, 12), resample_patches(image, sides, 12))


def test_patches_come_from_images_that_need_not_be_square() -> None:
    image, sides = noise(2, 3, 30, 50), torch.tensor([17, 30])
    torch.testing.assert_close(resample_patches(image, sides, 10), one_by_one(image, sides, 10), rtol=0, atol=2e-6)


def test_patches_of_any_strides_and_kinds_of_whole_numbers() -> None:
    image, sides = noise(3, 3, 40, 40), torch.tensor([10, 25, 40])
    expected = resample_patches(image, sides, 10)
    for strided in (image.to(memory_format=torch.channels_last), image.mT.contiguous().mT):
        torch.testing.assert_close(resample_patches(strided, sides, 10), expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(resample_patches(image, sides.int(), 10), expected, rtol=0, atol=0)
    assert expected.is_contiguous()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_patches_in_half_precision_are_computed_in_float32(dtype: torch.dtype) -> None:
    image, sides = noise(2, 3, 40, 40, dtype=dtype), torch.tensor([21, 40])
    assert torch.equal(resample_patches(image, sides, 10), resample_patches(image.float(), sides, 10).to(dtype))


def test_autocast_does_not_reach_into_patches() -> None:
    image, sides = noise(2, 3, 40, 40), torch.tensor([21, 40])
    expected = resample_patches(image, sides, 10)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(resample_patches(image, sides, 10), expected)
        with without_autocast(image.device):
            assert (image[0] @ image[0]).dtype == torch.float32
        assert (image[0] @ image[0]).dtype == torch.bfloat16


def test_patches_read_nothing_back() -> None:
    image = torch.empty(2, 3, 40, 40, device="meta")
    for sides in (torch.tensor([21, 40]), torch.empty(2, dtype=torch.int64, device="meta")):
        assert resample_patches(image, sides, 10).shape == (2, 3, 10, 10)
