from __future__ import annotations

import numpy as np
import pytest
import torch

from degflow_aug.degradations.padding import pad_to_multiple, reflect_indices


@pytest.mark.parametrize("size", [2, 3, 5, 8, 17])
@pytest.mark.parametrize("extra", [0, 1, 4, 7, 40])
def test_indices_reflect_as_numpy_does(size: int, extra: int) -> None:
    truth = np.pad(np.arange(size), (0, extra), mode="reflect")
    np.testing.assert_array_equal(reflect_indices(torch.arange(size + extra), size).numpy(), truth)


def test_one_pixel_is_repeated() -> None:
    assert reflect_indices(torch.arange(8), 1).tolist() == [0] * 8


@pytest.mark.parametrize("multiple", [8, 64])
@pytest.mark.parametrize("size", [(8, 8), (9, 31), (64, 65), (1, 7), (13, 128), (33, 2)])
def test_images_reflect_as_numpy_does(size: tuple[int, int], multiple: int) -> None:
    image = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    padded = pad_to_multiple(image, multiple)
    extra = [-side % multiple for side in size]
    if min(size) > 1:
        truth = np.pad(image.numpy(), ((0, 0), (0, 0), (0, extra[0]), (0, extra[1])), mode="reflect")
        np.testing.assert_array_equal(padded.numpy(), truth)
    assert [side % multiple for side in padded.shape[-2:]] == [0, 0]
    assert torch.equal(padded[..., : size[0], : size[1]], image)
    assert max(padded.shape[-2] - size[0], padded.shape[-1] - size[1]) < multiple


def test_an_image_that_fits_is_not_copied() -> None:
    image = torch.zeros(1, 3, 64, 128)
    assert pad_to_multiple(image, 64) is image


def test_gradients_flow_back() -> None:
    image = torch.zeros(1, 1, 3, 5, requires_grad=True)
    pad_to_multiple(image, 8).sum().backward()
    assert image.grad is not None
    assert float(image.grad.sum()) == 64
