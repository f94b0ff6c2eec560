"""BSRGAN's degradation against a plain implementation with SciPy and OpenCV that is given the same draws."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
import torch
from scipy import ndimage, stats
from skimage.color import rgb2xyz
from skimage.color.colorconv import xyz_from_rgb

from degflow_aug import compat
from degflow_aug.degradations.bsrgan.bsrgan import BSRGAN
from degflow_aug.degradations.bsrgan.bsrgan_settings import BSRGANSettings
from degflow_aug.degradations.bsrgan.shuffled_steps import (
    JPEG,
    Blur,
    GaussianNoise,
    Resize,
    SensorNoise,
    Step,
    draw_steps,
    shifted_gaussian,
)
from degflow_aug.degradations.grid import lr_size

if not compat.has_basicsr():
    pytest.skip("BasicSR is not installed", allow_module_level=True)
compat.apply()
SIZE = (56, 72)


def smooth(batch: int) -> torch.Tensor:
    coarse = torch.rand(batch, 3, 15, 19, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(coarse, size=SIZE, mode="bilinear")


def noise_of(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).numpy()


def resized(image: np.ndarray, step: Resize) -> np.ndarray:
    """(H, W, 3) by OpenCV; nearest picks the pixel before each position."""
    height, width = lr_size(*SIZE, step.divisor)
    if step.mode == "nearest":
        rows, columns = (np.arange(n) * size // n for n, size in ((height, image.shape[0]), (width, image.shape[1])))
        return image[rows][:, columns]
    way = {"bilinear": cv2.INTER_LINEAR, "bicubic": cv2.INTER_CUBIC}[step.mode]
    return cv2.resize(image, (width, height), interpolation=way)


def demosaiced(raw: np.ndarray) -> np.ndarray:
    """Malvar, He and Cutler: bilinear interpolation plus 1/2, 5/8 and 3/4 of what it misses of the own colour."""
    height, width = raw.shape
    padded = np.pad(raw, 2, mode="reflect")
    found = np.empty((height, width, 3))
    for y in range(height):
        for x in range(width):
            window = padded[y : y + 5, x : x + 5]
            beside, above = (window[2, 1] + window[2, 3]) / 2, (window[1, 2] + window[3, 2]) / 2
            corners = window[1:4:2, 1:4:2].sum() / 4
            far_beside, far_above = window[2, 0] + window[2, 4], window[0, 2] + window[4, 2]
            if y % 2 == x % 2:
                misses = window[2, 2] - (far_beside + far_above) / 4
                own, other = (0, 2) if y % 2 == 0 else (2, 0)
                found[y, x, own] = window[2, 2]
                found[y, x, 1] = (beside + above) / 2 + misses / 2
                found[y, x, other] = corners + misses * 3 / 4
            else:
                row, column = (0, 2) if y % 2 == 0 else (2, 0)
                found[y, x, 1] = window[2, 2]
                found[y, x, row] = beside + 5 / 8 * (window[2, 2] - (4 * corners + far_beside - far_above / 2) / 5)
                found[y, x, column] = above + 5 / 8 * (window[2, 2] - (4 * corners + far_above - far_beside / 2) / 5)
    return found


def with_sensor_noise(image: np.ndarray, step: SensorNoise, index: int, batch: int) -> np.ndarray:
    height, width = image.shape[:2]
    # scikit-image has sRGB's curve inside of its way to XYZ.
    curve = np.linspace(0, 1, 200_001)
    untoned = np.interp(image, 3 * curve**2 - 2 * curve**3, curve)
    light = rgb2xyz(untoned) @ np.linalg.inv(xyz_from_rgb).T
    to_srgb, gains = step.to_srgb[index].double().numpy(), step.gains[index].numpy()
    sensor = np.clip(light @ np.linalg.inv(to_srgb).T / gains, 0, 1)
    raw = sensor[..., 1].copy()
    raw[::2, ::2], raw[1::2, 1::2] = sensor[::2, ::2, 0], sensor[1::2, 1::2, 2]
    sigma = np.sqrt(float(step.shot[index]) * raw + float(step.read[index]))
    raw = np.clip(raw + sigma * noise_of(step.seed, (batch, 1, height, width))[index, 0], 0, 1)
    balanced = np.clip(demosaiced(raw) * gains @ to_srgb.T, 0, 1)
    display = np.where(balanced <= 0.0031308, 12.92 * balanced, 1.055 * balanced ** (1 / 2.4) - 0.055)
    return 3 * display**2 - 2 * display**3


def plain(image: np.ndarray, steps: tuple[Step, ...], index: int, batch: int) -> np.ndarray:
    """LR of sample ``index`` as (H, W, 3), a step after another."""
    from basicsr.utils import DiffJPEG

    for step in steps:
        if isinstance(step, Blur):
            kernel = step.kernels[index].double().numpy()
            image = np.stack([ndimage.correlate(image[..., c], kernel, mode="mirror") for c in range(3)], -1)
        elif isinstance(step, Resize):
            image = resized(image, step)
        elif isinstance(step, GaussianNoise):
            normal = noise_of(step.seed, (batch, 3, *image.shape[:2]))[index]
            image = image + np.moveaxis(normal, 0, -1) @ step.mixing[index].numpy().T
        elif isinstance(step, JPEG):
            tensor = torch.from_numpy(image).permute(2, 0, 1)[None].float()
            coded = DiffJPEG(differentiable=False)(tensor, quality=step.qualities[index : index + 1].clone())
            image = coded[0].detach().permute(1, 2, 0).double().numpy()
        else:
            image = with_sensor_noise(image, step, index, batch)
        image = np.clip(image, 0, 1)
    return np.rint(image * 255) / 255


@pytest.mark.parametrize("way", ["nearest", "bilinear", "bicubic", "down-up"])
@pytest.mark.parametrize("scale", [1.0, 2.0, 2.7, 4.0])
def test_is_the_plain_implementation_for_the_same_draws(scale: float, way: str) -> None:
    weights = tuple(float(each == way) for each in ("nearest", "bilinear", "bicubic", "down-up"))
    settings = BSRGANSettings(downsample_prob=weights, sensor_prob=1.0, halving_prob=0.5)  # type: ignore[arg-type]
    degradation, hr = BSRGAN(settings), smooth(3)
    degradation.seed(round(scale * 10))
    steps = degradation.draw(3, scale)
    lr = degradation.degrade(hr, scale, steps)
    truth = np.stack([plain(image, steps, i, 3) for i, image in enumerate(hr.permute(0, 2, 3, 1).double().numpy())])
    difference = np.abs(lr.permute(0, 2, 3, 1).numpy() - truth) * 255
    # JPEG rounds coefficients, of which few lie so near to a half that float32 rounds them the other way.
    assert difference.mean() < 0.05
    assert np.quantile(difference, 0.98) < 0.01


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_nearest_stays_where_the_image_is(scale: int) -> None:
    """Of a ramp an LR pixel is what its block's centre is."""
    kernel = torch.from_numpy(shifted_gaussian(1.3, (scale - 1) / 2))
    ramp = np.arange(60.0)[None].repeat(60, 0)
    lr = ndimage.correlate(ramp, kernel.numpy(), mode="mirror")[::scale, ::scale]
    expected = scale * np.arange(60 // scale) + (scale - 1) / 2
    np.testing.assert_allclose(lr[8, 5:-5], expected[5:-5], atol=1e-6)
    assert kernel.shape == (21, 21)


def drawn(count: int, scale: float, **settings: Any) -> list[tuple[Step, ...]]:
    rng = np.random.default_rng(0)
    return [draw_steps(BSRGANSettings(**settings), scale, 2, rng) for _ in range(count)]


def test_shares_and_ranges_are_the_published_ones() -> None:
    draws = drawn(400, 4.0)
    shares = {
        "halved": np.mean([steps[0] in (Resize("bilinear", 2.0), Resize("bicubic", 2.0)) for steps in draws]),
        "nearest": np.mean([any(step == Resize("nearest", 4.0) for step in steps) for steps in draws]),
        "JPEG": np.mean([sum(isinstance(step, JPEG) for step in steps) == 2 for steps in draws]),
        "sensor": np.mean([any(isinstance(step, SensorNoise) for step in steps) for steps in draws]),
    }
    # Five standard deviations of a share of 400.
    assert shares == pytest.approx({"halved": 0.25, "nearest": 0.25, "JPEG": 0.75, "sensor": 0.25}, abs=0.11)
    for steps in draws:
        assert isinstance(steps[-1], JPEG)
        assert [step.divisor for step in steps if isinstance(step, Resize)][-1] == 4.0
        for step in steps:
            if isinstance(step, JPEG):
                assert 30 <= step.qualities.min() <= step.qualities.max() <= 95
            elif isinstance(step, SensorNoise):
                assert 1e-4 <= step.shot.min() <= step.shot.max() <= 0.012
                assert 1.2 * 2**-0.1 <= step.gains[:, 0].min() <= step.gains[:, 0].max() <= 2.4 * 2**0.3
                torch.testing.assert_close(step.to_srgb.sum(-1), torch.ones(2, 3))
    orders = {tuple(type(step) for step in steps) for steps in draws}
    assert len(orders) > 100


def test_halves_of_down_up_have_other_steps_between_them() -> None:
    draws = drawn(60, 2.0, downsample_prob=(0, 0, 0, 1), jpeg_prob=0.0, sensor_prob=0.0)
    gaps = set()
    for steps in draws:
        (first, step), (second, last) = [(i, step) for i, step in enumerate(steps) if isinstance(step, Resize)]
        assert 1 <= step.divisor <= 4
        assert last.divisor == 2
        gaps.add(second - first)
    assert gaps == {1, 2, 3, 4}


@pytest.mark.parametrize("scale", [1.0, 2.0, 3.0, 4.0])
def test_kernels_are_as_wide_as_published_on_a_line_through_both_scales(scale: float) -> None:
    widths: list[float] = []
    position = np.arange(-10, 11)
    for steps in drawn(150, scale, downsample_prob=(0, 1, 0, 0), halving_prob=0.0, blur_kernel_size=21):
        for step in steps:
            if isinstance(step, Blur):
                np.testing.assert_allclose(step.kernels.sum((1, 2)), 1, rtol=1e-5)
                widths += [float(np.sqrt((kernel.sum(0).numpy() * position**2).sum())) for kernel in step.kernels]
    highest = max(2 + 0.2 * scale, (4 + scale) ** 0.5)
    assert 0.85 * highest < max(widths) <= highest + 0.01


def test_the_three_kinds_of_gaussian_noise() -> None:
    level = 25 / 255
    for kind, weights in (("covariance", (1, 0, 0)), ("independent", (0, 1, 0)), ("gray", (0, 0, 1))):
        for steps in drawn(20, 2.0, noise_prob=weights):
            (step,) = (step for step in steps if isinstance(step, GaussianNoise))
            covariance = step.mixing[0].double().numpy() @ step.mixing[0].double().numpy().T
            if kind == "gray":
                assert np.ptp(covariance) == pytest.approx(0, abs=1e-9)
            elif kind == "independent":
                np.testing.assert_allclose(covariance, covariance[0, 0] * np.eye(3), atol=1e-9)
            variances = np.linalg.eigvalsh(covariance)
            assert -1e-9 <= variances[0] <= variances[-1] <= level**2 * (3.001 if kind == "gray" else 1.001)
            if kind != "covariance":
                assert np.sqrt(covariance[0, 0]) * 255 == pytest.approx(
                    round(np.sqrt(covariance[0, 0]) * 255), abs=1e-3
                )


def test_noise_has_the_covariance_of_its_mixing() -> None:
    degradation, gray = BSRGAN(), torch.full((1, 3, 128, 128), 0.5)
    mixing = torch.tensor([[[0.03, 0.0, 0.0], [0.02, 0.02, 0.0], [0.0, 0.01, 0.04]]])
    noisy = degradation.degrade(gray, 1.0, (GaussianNoise(mixing, 7),))
    found = np.cov(noisy.flatten(2)[0].double().numpy())
    expected = (mixing[0] @ mixing[0].T).double().numpy()
    # The standard error of a covariance of 128 * 128 pixels, five times; rounding to levels adds 1 / 12 of one.
    error = 5 * np.sqrt(2) * expected.max() / 128
    np.testing.assert_allclose(found, expected + np.eye(3) / 12 / 255**2, atol=error)
    assert stats.shapiro(noisy[0, 0, :16, :16].flatten().numpy()).pvalue > 1e-4


@pytest.mark.parametrize("scale", [1.0, 1.37, 4.0, 7.5])
@pytest.mark.parametrize("size", [(64, 48), (8, 8), (37, 51)])
def test_any_size_at_any_scale(scale: float, size: tuple[int, int]) -> None:
    degradation, hr = BSRGAN(BSRGANSettings(sensor_prob=0.5)), torch.rand(2, 3, *size)
    for seed in range(6):
        degradation.seed(seed)
        lr = degradation(hr, scale)
        assert lr.shape == (2, 3, *lr_size(*size, scale))
        assert 0 <= lr.min() <= lr.max() <= 1
        torch.testing.assert_close((lr * 255).round() / 255, lr)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"jpeg_range": (95, 30)}, "expected jpeg_range as"),
        ({"iso_sigma_at_4": (3, 1)}, "expected iso_sigma_at_4 as"),
        ({"noise_range": (1, 2.5)}, "a whole number from 0 to 255 in degradation.noise_range"),
        ({"blur_kernel_size": 20}, "an odd blur_kernel_size, got 20"),
        ({"downsample_prob": (0, 0, 0, 0)}, "weights in downsample_prob that are not all 0"),
        ({"sensor_prob": 1.1}, "from 0 to 1 in degradation.sensor_prob, got 1.1"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message.replace(".", r"\.")):
        BSRGANSettings(**options)


def test_without_basicsr_one_sentence_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compat, "has_basicsr", lambda: False)
    with pytest.raises(ValueError, match="expected BasicSR for the BSRGAN degradation, "):
        BSRGAN()
