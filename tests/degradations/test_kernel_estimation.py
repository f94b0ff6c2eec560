from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from degflow_aug.degradations.convolution import convolve
from degflow_aug.degradations.kernel_estimation import estimate_kernels


def gaussian(sigma: float, shift: float = 0.0) -> Tensor:
    position = torch.arange(31) - 15.0
    profile = torch.exp(-(((position - shift) / sigma) ** 2) / 2)
    kernel = profile[:, None] * torch.exp(-((position / sigma) ** 2) / 2)
    return (kernel / kernel.sum()).T


TRUTH = torch.stack([gaussian(1.0, 0.3), gaussian(1.4), gaussian(1.9, -0.3)])


def images(sizes: list[tuple[int, int]]) -> Iterator[Tensor]:
    generator = torch.Generator().manual_seed(0)
    for size in sizes:
        yield torch.rand(3, *size, generator=generator)


@pytest.mark.parametrize(
    ("sizes", "tolerance"),
    [
        ([(256, 300)] * 2, 0.01),
        ([(140, 129), (300, 128)] * 2, 0.01),
        ([(100, 64)] * 12, 0.05),
        ([(48, 40)] * 30, 0.1),
    ],
)
def test_recovers_the_kernel_of_each_channel(sizes: list[tuple[int, int]], tolerance: float) -> None:
    pairs = ((hr, {2.0: convolve(hr[None], TRUTH[None])[0]}) for hr in images(sizes))
    kernel = estimate_kernels(pairs, 31, 1e-3)[2.0]
    error = (kernel - TRUTH).square().sum((-2, -1)).sqrt() / TRUTH.square().sum((-2, -1)).sqrt()
    assert error.max() < tolerance
    torch.testing.assert_close(kernel.sum((-2, -1)), torch.ones(3))


def test_noise_and_brightness_do_not_bias_it() -> None:
    generator = torch.Generator().manual_seed(1)

    def noisy(hr: Tensor) -> Tensor:
        view = convolve(hr[None], TRUTH[None])[0]
        return 0.1 + 0.8 * view + 0.01 * torch.randn(view.shape, generator=generator)

    kernel = estimate_kernels(((hr, {2.0: noisy(hr)}) for hr in images([(300, 300)] * 2)), 31, 1e-3)[2.0]
    assert (kernel - TRUTH).abs().max() < 0.01


def test_scales_need_not_be_the_same_in_every_pair() -> None:
    wide = torch.stack([gaussian(2.2)] * 3)
    first, second = images([(200, 200)] * 2)
    kernels = estimate_kernels(
        [
            (first, {1.0: first, 3.0: convolve(first[None], wide[None])[0]}),
            (second, {2.0: convolve(second[None], TRUTH[None])[0]}),
        ],
        31,
        1e-3,
    )
    assert list(kernels) == [2.0, 3.0]
    torch.testing.assert_close(kernels[2.0], TRUTH, atol=0.01, rtol=0)
    torch.testing.assert_close(kernels[3.0], wide, atol=0.01, rtol=0)


def test_an_untouched_image_gives_an_impulse() -> None:
    kernel = estimate_kernels(((hr, {2.0: hr}) for hr in images([(200, 200)])), 15, 1e-6)[2.0]
    impulse = torch.zeros(3, 15, 15)
    impulse[:, 7, 7] = 1
    torch.testing.assert_close(kernel, impulse, atol=1e-3, rtol=0)


def test_bad_input_is_refused() -> None:
    hr = torch.rand(3, 64, 64)
    with pytest.raises(ValueError, match="at least one pair"):
        estimate_kernels([], 31, 1e-3)
    with pytest.raises(ValueError, match="at least one pair"):
        estimate_kernels([(hr, {1.0: hr})], 31, 1e-3)
    with pytest.raises(ValueError, match=r"of one size, got \(3, 64, 64\) and \(3, 32, 32\)"):
        estimate_kernels([(hr, {2.0: hr[:, ::2, ::2]})], 31, 1e-3)
    with pytest.raises(ValueError, match="at least 32 pixels a side, got 20"):
        estimate_kernels([(hr[:, :20], {2.0: hr[:, :20]})], 31, 1e-3)
    with pytest.raises(ValueError, match="odd kernel size from 3 to 127, got 30"):
        estimate_kernels([(hr, {2.0: hr})], 30, 1e-3)
    with pytest.raises(ValueError, match="some texture"):
        estimate_kernels([(torch.zeros_like(hr), {2.0: torch.zeros_like(hr)})], 31, 1e-3)
