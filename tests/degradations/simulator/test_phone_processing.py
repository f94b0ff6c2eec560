from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from skimage import data

from degflow_aug.degradations.simulator.phone_processing import (
    add_contrast,
    demosaic,
    denoise,
    map_tones,
    mosaic,
    sharpen,
    through_jpeg,
    to_display,
    to_light,
)


def flat(*colour: float) -> np.ndarray:
    return np.broadcast_to(np.array(colour, np.float32), (32, 36, 3)).copy()


def test_mosaic_is_red_green_over_green_blue() -> None:
    assert mosaic(flat(0.1, 0.2, 0.3))[:2, :2].tolist() == pytest.approx(np.array([[0.1, 0.2], [0.2, 0.3]]))


@pytest.mark.parametrize("shape", [(32, 36), (31, 35), (9, 2), (2, 3)])
def test_demosaicing_gives_flat_colours_back_at_every_size(shape: tuple[int, int]) -> None:
    colour = np.broadcast_to(np.array([0.2, 0.5, 0.8], np.float32), (*shape, 3))
    np.testing.assert_allclose(demosaic(mosaic(colour)), colour, atol=1e-5)


def test_demosaicing_keeps_what_was_seen() -> None:
    image = data.astronaut()[:64, :64].astype(np.float32) / 255
    values, colours = mosaic(image), demosaic(mosaic(image))
    np.testing.assert_allclose(mosaic(colours), values, atol=1e-5)


def test_light_and_display_are_inverse_and_meet_the_standard() -> None:
    values = np.linspace(0, 1, 1001, dtype=np.float32)
    np.testing.assert_allclose(to_display(to_light(values)), values, atol=1e-6)
    np.testing.assert_allclose(to_light(np.float32(0.5)), 0.214041, atol=1e-5)
    np.testing.assert_allclose(to_light(np.float32(0.04)), 0.04 / 12.92, atol=1e-7)


@pytest.mark.parametrize("level", [0.02, 0.18, 0.7])
def test_tones_of_a_flat_region_follow_a_power(level: float) -> None:
    mapped = map_tones(flat(level, level, level), 0.3, 5)
    np.testing.assert_allclose(mapped, level * ((level + 1e-3) / 0.18) ** -0.3, rtol=1e-4)


def test_tones_keep_the_contrast_within_a_region() -> None:
    ripple = 0.2 * (1 + 0.02 * np.sin(np.arange(256, dtype=np.float32)))
    image = np.broadcast_to(ripple[None, :, None], (64, 256, 3)).copy()
    mapped = map_tones(image, 0.3, 16)[20:-20, 40:-40, 0]
    before = image[20:-20, 40:-40, 0]
    # A ripple far below half a stop belongs to its region: the regions' light hardly follows it.
    np.testing.assert_allclose(mapped.std() / mapped.mean(), before.std() / before.mean(), rtol=0.02)


def test_denoising_takes_noise_and_leaves_a_step() -> None:
    step = np.repeat(np.array([0.2, 0.8], np.float32), 20)[None, :, None] * np.ones((40, 1, 3), np.float32)
    noisy = step + 0.01 * np.random.default_rng(0).standard_normal(step.shape).astype(np.float32)
    cleaned = denoise(noisy, 0.05, 0.1, 1.5)
    # Half of the noise has to go, also beside the step, which a linear filter of that width would smear by 0.1.
    assert np.abs(cleaned - step).mean() < 0.5 * np.abs(noisy - step).mean()
    assert np.abs(cleaned - step)[:, 18:22].max() < 0.04


def test_sharpening_has_a_core_a_limit_and_no_colour() -> None:
    image = data.astronaut()[:64, :64].astype(np.float32) / 255
    added = sharpen(image, 5.0, 0.9, 0.01, 0.06) - image
    assert np.abs(added).max() == pytest.approx(0.06, abs=1e-6)
    np.testing.assert_allclose(added[..., 0], added[..., 2], atol=1e-6)
    quiet = 0.5 + 0.005 * np.random.default_rng(0).random((32, 32, 3)).astype(np.float32)
    np.testing.assert_array_equal(sharpen(quiet, 5.0, 0.9, 0.01, 0.06), quiet)


@pytest.mark.parametrize("subsampling", [False, True])
@pytest.mark.parametrize("quality", [60, 90])
def test_jpeg_files_are_those_of_another_writer(quality: int, subsampling: bool) -> None:
    pixels = data.astronaut()[:120, :136]
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality, subsampling=2 if subsampling else 0)
    other = np.asarray(Image.open(buffer)).astype(int)
    ours = through_jpeg(pixels, quality, subsampling).astype(int)
    # Two builds of libjpeg may round otherwise; another quality or subsampling is far off.
    assert np.abs(ours - other).mean() < 0.2
    assert np.abs(through_jpeg(pixels, quality, not subsampling) - other).mean() > 0.5


def test_contrast_keeps_black_middle_and_white() -> None:
    values = np.array([0, 0.5, 1], np.float32)
    np.testing.assert_allclose(add_contrast(values, 0.7), values)
    assert add_contrast(np.float32(0.25), 1.0) == pytest.approx(0.15625)
