from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage
import torch

from degflow_aug.degradations.convolution import convolve, fast_length


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
def test_keeps_the_dtype(dtype: torch.dtype) -> None:
    image = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0)).to(dtype)
    kernel = torch.full((1, 1, 3, 3), 1 / 9)
    result = convolve(image, kernel)
    assert result.dtype == dtype
    torch.testing.assert_close(result.double(), convolve(image.double(), kernel), atol=5e-3, rtol=0)


def test_fast_length() -> None:
    assert [fast_length(n) for n in (1, 7, 62, 126, 127, 542)] == [2, 8, 64, 128, 128, 576]
