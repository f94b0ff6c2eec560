from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage
import torch

from degflow_aug.degradations.convolution import convolve, fast_length, pad_to_multiple, reflect_indices, reflect_pad


@pytest.mark.parametrize(("shape", "side"), [((40, 33), 31), ((9, 70), 31), ((8, 8), 41), ((64, 64), 1), ((20, 21), 5)])
def test_convolves_as_scipy_does(shape: tuple[int, int], side: int) -> None:
    rng = np.random.default_rng(0)
    image, kernels = rng.random((2, 3, *shape)), rng.normal(size=(2, 3, side, side))
    result = convolve(torch.from_numpy(image), torch.from_numpy(kernels))
    for b in range(2):
        for c in range(3):
            reference = scipy.ndimage.convolve(image[b, c], kernels[b, c], mode="mirror")
            np.testing.assert_allclose(result[b, c].numpy(), reference, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_convolution_keeps_the_dtype(dtype: torch.dtype) -> None:
    image = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0)).to(dtype)
    kernel = torch.full((1, 1, 3, 3), 1 / 9)
    result = convolve(image, kernel)
    assert result.dtype == dtype
    torch.testing.assert_close(result.double(), convolve(image.double(), kernel), atol=5e-3, rtol=0)


def test_fast_length() -> None:
    assert [fast_length(n) for n in (1, 7, 62, 126, 127, 542)] == [2, 8, 64, 128, 128, 576]


@pytest.mark.parametrize("multiple", [8, 64])
@pytest.mark.parametrize("size", [(8, 8), (9, 31), (64, 65), (1, 7), (13, 128), (33, 2)])
def test_padded_images_reflect_as_numpy_does(size: tuple[int, int], multiple: int) -> None:
    image = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    padded = pad_to_multiple(image, multiple)
    extra = [-side % multiple for side in size]
    if min(size) > 1:
        truth = np.pad(image.numpy(), ((0, 0), (0, 0), (0, extra[0]), (0, extra[1])), mode="reflect")
        np.testing.assert_array_equal(padded.numpy(), truth)
    assert [side % multiple for side in padded.shape[-2:]] == [0, 0]
    assert torch.equal(padded[..., : size[0], : size[1]], image)
    assert max(padded.shape[-2] - size[0], padded.shape[-1] - size[1]) < multiple


def test_an_image_that_needs_no_padding_is_not_copied() -> None:
    image = torch.zeros(1, 3, 64, 128)
    assert pad_to_multiple(image, 64) is image


@pytest.mark.parametrize("size", [1, 2, 3, 10])
def test_reflection_is_numpys(size: int) -> None:
    values = np.arange(size)
    expected = np.pad(values, 25, mode="reflect") if size > 1 else np.zeros(51, dtype=int)
    np.testing.assert_array_equal(reflect_indices(torch.arange(-25, size + 25), size).numpy(), expected)


@pytest.mark.parametrize("margin", [0, 3, 8, 30])
def test_pads_beyond_the_size_of_the_image(margin: int) -> None:
    image = np.random.default_rng(0).random((1, 2, 9, 8))
    expected = np.pad(image, ((0, 0), (0, 0), (margin, margin), (margin, margin)), mode="reflect")
    np.testing.assert_array_equal(reflect_pad(torch.from_numpy(image), margin).numpy(), expected)
