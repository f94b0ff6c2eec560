"""Squares of different sides in one pass are what ``resize`` makes of each square alone."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from degflow_aug.degradations.grid import resize
from degflow_aug.degradations.patch_resampling import resample_patches, without_autocast


def noise(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(dtype)


def one_by_one(image: Tensor, sides: Tensor, lr_size: int) -> Tensor:
    squares = (image[i : i + 1, :, :side, :side] for i, side in enumerate(sides.tolist()))
    return torch.cat([resize(square, (lr_size, lr_size)) for square in squares])


@pytest.mark.parametrize(
    ("size", "lr_size"), [(64, 16), (50, 13), (33, 32), (24, 1), (9, 9), (192, 48), (300, 37), (40, 60)]
)
def test_is_resize_of_every_square(size: int, lr_size: int) -> None:
    """In float32 PyTorch's own positions are off by up to 1e-5 at such sizes; ours stay within 2e-6 of the truth."""
    sides = torch.linspace(min(lr_size, size // 2), size, 11).round().long()
    image = noise(11, 3, size, size, dtype=torch.float64)
    truth = one_by_one(image, sides, lr_size)
    torch.testing.assert_close(resample_patches(image, sides, lr_size), truth, rtol=0, atol=1e-12)
    found = resample_patches(image.float(), sides, lr_size)
    torch.testing.assert_close(found.double(), truth, rtol=0, atol=2e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_square_of_lr_size_is_left_as_it_is(dtype: torch.dtype) -> None:
    image = noise(2, 3, 40, 40, dtype=dtype)
    assert torch.equal(resample_patches(image, torch.tensor([24, 24]), 24), image[..., :24, :24])


def test_nothing_outside_the_square_is_seen() -> None:
    image, sides = noise(3, 3, 40, 40), torch.tensor([13, 20, 39])
    other = image.clone()
    for sample, side in zip(other, sides.tolist(), strict=True):
        sample[:, side:], sample[:, :, side:] = 1e6, -1e6
    assert torch.equal(resample_patches(other, sides, 12), resample_patches(image, sides, 12))


def test_images_need_not_be_square() -> None:
    image, sides = noise(2, 3, 30, 50), torch.tensor([17, 30])
    torch.testing.assert_close(resample_patches(image, sides, 10), one_by_one(image, sides, 10), rtol=0, atol=2e-6)


def test_any_strides_and_kinds_of_whole_numbers() -> None:
    image, sides = noise(3, 3, 40, 40), torch.tensor([10, 25, 40])
    expected = resample_patches(image, sides, 10)
    for strided in (image.to(memory_format=torch.channels_last), image.mT.contiguous().mT):
        torch.testing.assert_close(resample_patches(strided, sides, 10), expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(resample_patches(image, sides.int(), 10), expected, rtol=0, atol=0)
    assert expected.is_contiguous()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_float32(dtype: torch.dtype) -> None:
    image, sides = noise(2, 3, 40, 40, dtype=dtype), torch.tensor([21, 40])
    assert torch.equal(resample_patches(image, sides, 10), resample_patches(image.float(), sides, 10).to(dtype))


def test_autocast_does_not_reach_in() -> None:
    image, sides = noise(2, 3, 40, 40), torch.tensor([21, 40])
    expected = resample_patches(image, sides, 10)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(resample_patches(image, sides, 10), expected)
        with without_autocast(image.device):
            assert (image[0] @ image[0]).dtype == torch.float32
        assert (image[0] @ image[0]).dtype == torch.bfloat16


def test_reads_nothing_back() -> None:
    image = torch.empty(2, 3, 40, 40, device="meta")
    for sides in (torch.tensor([21, 40]), torch.empty(2, dtype=torch.int64, device="meta")):
        assert resample_patches(image, sides, 10).shape == (2, 3, 10, 10)
