from __future__ import annotations

import math
import random

import numpy as np
import pytest

from degflow_aug import compat
from degflow_aug.degradations.realesrgan.kernels import BlurSettings, choose, draw_blur_kernel, draw_sinc_kernel
from degflow_aug.degradations.realesrgan.settings import KERNELS, RealESRGANSettings

if not compat.has_basicsr():
    pytest.skip("BasicSR is not installed", allow_module_level=True)
compat.apply()


@pytest.mark.parametrize("kind", KERNELS)
@pytest.mark.parametrize("suffix", ["", "2"])
def test_is_basicsrs_kernel_for_the_same_draws(kind: str, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from basicsr.data.degradations import random_mixed_kernels

    settings = RealESRGANSettings(
        **{"kernel_list" + suffix: (kind,), "kernel_prob" + suffix: (1.0,), "sinc_prob" + suffix: 0.0}
    )
    blur = BlurSettings.of(settings, suffix)
    for seed in range(5):
        ours = draw_blur_kernel(np.random.default_rng(seed), blur)
        theirs = np.random.default_rng(seed)
        size = 7 + 2 * int(theirs.integers(8))
        theirs.uniform()
        monkeypatch.setattr(np.random, "uniform", theirs.uniform)
        monkeypatch.setattr(random, "choices", lambda values, weights, rng=theirs: [choose(rng, values, weights)])
        kernel = random_mixed_kernels(
            [kind],
            [1.0],
            size,
            blur.blur_sigma,
            blur.blur_sigma,
            [-math.pi, math.pi],
            blur.betag_range,
            blur.betap_range,
        )
        monkeypatch.undo()
        np.testing.assert_allclose(ours, np.pad(kernel, (21 - size) // 2), atol=1e-12)


def test_every_kernel_has_the_padded_size_and_sums_to_one() -> None:
    rng = np.random.default_rng(0)
    blur = BlurSettings.of(RealESRGANSettings(sinc_prob=0.3, blur_kernel_size=15), "")
    for kernel in (draw_blur_kernel(rng, blur) for _ in range(60)):
        assert kernel.shape == (15, 15)
        np.testing.assert_allclose(kernel.sum(), 1)
        np.testing.assert_allclose(kernel, kernel[::-1, ::-1], atol=1e-12)


def test_sinc_kernels_are_low_passes() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        kernel = draw_sinc_kernel(rng, 1.0, 21)
        response = np.abs(np.fft.fft2(kernel, (64, 64)))
        assert kernel.shape == (21, 21)
        np.testing.assert_allclose(kernel.sum(), 1)
        assert response[32, 32] < 0.1 * response[0, 0]


def test_without_the_final_filter_nothing_changes() -> None:
    kernel = draw_sinc_kernel(np.random.default_rng(0), 0.0, 21)
    assert kernel[10, 10] == kernel.sum() == 1


def test_choose_follows_the_weights() -> None:
    rng = np.random.default_rng(0)
    drawn = [choose(rng, "abc", (1, 3, 0)) for _ in range(2000)]
    assert "c" not in drawn
    np.testing.assert_allclose(drawn.count("b") / 2000, 0.75, atol=0.04)
