"""Light: against scikit-image's sRGB, and gains that are put in."""

from __future__ import annotations

import math

import numpy as np
import pytest
from skimage import color

from degflow_aug.alignment.luminance import SATURATED, Exposure, from_light, gain, luminance, to_light


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_luminance_is_that_of_scikit_image(dtype: type) -> None:
    image = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (20, 30, 3), endpoint=True).astype(dtype)
    assert luminance(image) == pytest.approx(color.rgb2xyz(image)[..., 1], abs=2e-4)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_light_and_back_are_all_levels(dtype: type) -> None:
    levels = np.arange(np.iinfo(dtype).max + 1, dtype=dtype)
    assert np.array_equal(np.rint(from_light(to_light(levels)) * np.iinfo(dtype).max).astype(dtype), levels)


@pytest.mark.parametrize("factor", [0.7, 1.0, 1.4])
def test_the_gain_is_found_beside_clipping_noise_and_strangers(factor: float) -> None:
    rng = np.random.default_rng(1)
    hr = rng.uniform(0, 1, 20000)
    lr = np.minimum(hr * factor * rng.normal(1, 0.05, hr.shape), 1)
    lr[:1000] = rng.uniform(0, 1, 1000)
    assert gain(hr, lr) == pytest.approx(factor, rel=0.02)


def test_no_gain_is_made_of_nothing() -> None:
    assert math.isnan(gain(np.zeros(500), np.ones(500)))


@pytest.mark.parametrize("factor", [0.7, 1.4])
def test_what_one_has_clipped_is_cut_off_the_other(factor: float) -> None:
    light = np.linspace(0, 1, 100, dtype=np.float32)
    exposure = Exposure.of(factor)
    seen = np.minimum(light * factor, 1)
    assert exposure.of_hr(light) == pytest.approx(exposure.of_lr(seen), abs=1e-6)
    assert exposure.of_lr(np.ones(1)) ** 2 == pytest.approx(SATURATED * min(1, factor))
