from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from degflow_aug.degradations.convolution import convolve
from degflow_aug.degradations.fitted.kernel_estimation import estimate_kernels


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


def shifted(image: Tensor, rows: float, columns: float) -> Tensor:
    """(3, H, W) moved by a fraction of a pixel: a phase ramp, exact but for the wrap."""
    down, right = (torch.fft.fftfreq(side, dtype=torch.float64) for side in image.shape[-2:])
    phase = -2 * math.pi * (down[:, None] * rows + right * columns)
    return torch.fft.ifft2(torch.fft.fft2(image.double()) * torch.exp(1j * phase)).real.float()


def errors(kernel: Tensor, truth: Tensor = TRUTH) -> float:
    """Largest relative error over the channels."""
    difference = (kernel - truth).square().sum((-2, -1)) / truth.square().sum((-2, -1))
    return float(difference.sqrt().max())


# Scenes whose shifts have a median of (0.2, -0.1), up to a pixel from it.
SHIFTS = [(-0.8, 0.5), (-0.3, -1.0), (0.2, -0.1), (0.2, -0.1), (0.7, 0.8), (1.0, -0.7), (1.0, 0.9), (-0.7, -0.6)]


def misregistered() -> list[tuple[Tensor, dict[float, Tensor]]]:
    """Eight pairs, each view with a shift of its own and noise of one gray level."""
    generator = torch.Generator().manual_seed(2)
    pairs = []
    for hr, shift in zip(images([(192, 224)] * len(SHIFTS)), SHIFTS, strict=True):
        view = shifted(convolve(hr[None], TRUTH[None])[0], *shift)
        pairs.append((hr, {2.0: view + torch.randn(view.shape, generator=generator) / 255}))
    return pairs


def test_shifts_of_scenes_do_not_blur_the_robust_kernel() -> None:
    pairs, truth = misregistered(), shifted(TRUTH, 0.2, -0.1)
    assert errors(estimate_kernels(pairs, 31, 1e-3)[2.0], truth) > 0.25
    robust = estimate_kernels(iter(pairs), 31, 1e-3, robust=True)[2.0]
    assert errors(robust, truth) < 0.02
    torch.testing.assert_close(robust.sum((-2, -1)), torch.ones(3))


def test_a_wrong_pair_counts_for_nothing() -> None:
    pairs = misregistered()
    pairs.append((next(images([(192, 224)])).flip(-1), pairs[0][1]))
    assert errors(estimate_kernels(pairs, 31, 1e-3, robust=True)[2.0], shifted(TRUTH, 0.2, -0.1)) < 0.03


def test_shifts_that_change_within_an_image_are_found() -> None:
    pairs = []
    for hr in images([(448, 256)] * 2):
        view = convolve(hr[None], TRUTH[None])[0]
        rows = torch.arange(448)[None, :, None]
        pairs.append((hr, {2.0: torch.where(rows < 224, shifted(view, 0.0, -0.7), shifted(view, 0.0, 0.7))}))
    kernel = estimate_kernels(pairs, 31, 1e-3, robust=True)[2.0]
    # Half of the windows lie on either side, so the median is one of the two shifts.
    assert min(errors(kernel, shifted(TRUTH, 0.0, side)) for side in (-0.7, 0.7)) < 0.1
    assert errors(estimate_kernels(pairs, 31, 1e-3)[2.0]) > 0.18


def test_registered_pairs_give_the_plain_kernel() -> None:
    pairs = [(hr, {2.0: convolve(hr[None], TRUTH[None])[0]}) for hr in images([(256, 256)] * 2)]
    plain, robust = (estimate_kernels(pairs, 31, 1e-3, robust=robust)[2.0] for robust in (False, True))
    assert errors(robust, plain) < 0.005


@pytest.mark.parametrize(
    ("sizes", "tolerance"),
    [([(256, 300)] * 2, 0.01), ([(140, 129), (300, 128)] * 2, 0.01), ([(100, 64)] * 12, 0.05), ([(48, 40)] * 30, 0.1)],
)
def test_recovers_the_kernel_of_each_channel(sizes: list[tuple[int, int]], tolerance: float) -> None:
    pairs = ((hr, {2.0: convolve(hr[None], TRUTH[None])[0]}) for hr in images(sizes))
    kernel = estimate_kernels(pairs, 31, 1e-3)[2.0]
    assert errors(kernel) < tolerance
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
