from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from skimage import data
from torch import Tensor

from degflow_aug.degradations.build import build_degradation
from degflow_aug.degradations.grid import lr_size
from degflow_aug.degradations.simulator.phone import SimulatedPhone
from degflow_aug.degradations.simulator.phone_processing import to_light
from degflow_aug.degradations.simulator.phone_settings import PhoneSettings, random_settings

PLAIN = PhoneSettings(
    colour_matrix=((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)), white_balance=(1.0, 1.0), shot_noise=0.0,
    read_noise=0.0, sensor_levels=2**16 - 1, luma_denoising=0.0, chroma_denoising=0.0, tone_mapping=0.0, contrast=0.0,
    sharpening=0.0, jpeg_quality=0,
)  # fmt: skip


@pytest.fixture(scope="module")
def photograph() -> Tensor:
    return torch.from_numpy(data.astronaut()[:128, :160]).permute(2, 0, 1)[None].float() / 255


@pytest.mark.parametrize("scale", [1.0, 1.01, 1.5, 2.9, 6.5])
@pytest.mark.parametrize("size", [(64, 64), (37, 50), (8, 9)])
def test_sizes_and_range(scale: float, size: tuple[int, int]) -> None:
    hr = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    lr, view = SimulatedPhone()(hr, scale), SimulatedPhone().render(hr, scale)
    assert lr.shape == (2, 3, *lr_size(*size, scale))
    assert view.shape == hr.shape
    assert lr.is_contiguous()
    assert 0 <= min(lr.min(), view.min()) <= max(lr.max(), view.max()) <= 1
    torch.testing.assert_close((lr * 255).round() / 255, lr)


def test_scale_one_is_hr_itself(photograph: Tensor) -> None:
    torch.testing.assert_close(SimulatedPhone()(photograph, 1), photograph)


@pytest.mark.parametrize("settings", [PLAIN, replace(PhoneSettings(), tone_mapping=0.0, contrast=0.0)])
def test_a_flat_colour_keeps_its_value(settings: PhoneSettings) -> None:
    settings = replace(settings, shot_noise=0.0, read_noise=0.0, sensor_levels=2**16 - 1, jpeg_quality=0)
    colour = torch.tensor([0.6, 0.4, 0.5]).view(1, 3, 1, 1).expand(1, 3, 40, 44)
    lr = SimulatedPhone(settings)(colour, 2.0)
    # Lens, mosaic, filters and sharpening have nothing to do; 8 bit rounds.
    torch.testing.assert_close(lr, colour[..., :20, :22], atol=0.6 / 255 + 1e-4, rtol=0)


def test_gray_stays_gray_with_every_step() -> None:
    ramp = torch.linspace(0.1, 0.8, 96).expand(1, 3, 96, 96)
    settings = replace(
        PhoneSettings(), shot_noise=0.0, read_noise=0.0, channel_blur=(1.0, 1.0, 1.0), chromatic_shift=(0.0, 0.0),
        sensor_levels=2**16 - 1,
    )  # fmt: skip
    lr = SimulatedPhone(settings)(ramp, 2.0)[..., 8:-8, 8:-8]
    assert (lr.amax(1) - lr.amin(1)).max() <= 2.1 / 255


@pytest.mark.parametrize("scale", [1.5, 2.0, 3.5, 3.7])
def test_a_view_stays_aligned_with_hr(scale: float) -> None:
    # 93 pixels are no multiple of any of the scales: the LR image covers more or fewer.
    ramp = torch.linspace(0.2, 0.8, 93).expand(1, 3, 93, 93)
    settings = replace(PLAIN, chromatic_shift=(0.0, 0.0))
    for image in (ramp, ramp.mT):
        view = SimulatedPhone(settings).render(image, scale)
        torch.testing.assert_close(view[..., 24:-24, 24:-24], image[..., 24:-24, 24:-24], atol=6e-3, rtol=0)


@pytest.mark.parametrize("level", [0.3, 0.7])
def test_noise_has_the_stated_variance_where_green_was_seen(level: float) -> None:
    settings = replace(PLAIN, shot_noise=2e-3, read_noise=1e-4)
    lr = SimulatedPhone(settings)(torch.full((1, 3, 600, 600), level), 2.0)
    light = to_light(np.float32(level))
    # Demosaicing leaves the green that was seen as it is: where row and column are odd and even, or even and odd.
    seen = to_light(lr[0, 1].numpy())[::2, 1::2]
    np.testing.assert_allclose(seen.var(), 2e-3 * light + 1e-4, rtol=0.03)
    np.testing.assert_allclose(seen.mean(), light, atol=1e-3)


def test_noise_depends_on_image_scale_and_seed_only(photograph: Tensor) -> None:
    phone, two = SimulatedPhone(), torch.cat([photograph.flip(-1), photograph])
    phone.seed(0)
    first = phone(photograph, 2.0)
    assert torch.equal(first, phone(photograph, 2.0))
    assert ((first[0] - phone(two, 2.0)[1]).abs() > 0).float().mean() < 1e-2
    phone.seed(1)
    assert not torch.equal(first, phone(photograph, 2.0))


def test_a_step_that_is_left_out_changes_the_image(photograph: Tensor) -> None:
    def seeded(settings: PhoneSettings) -> Tensor:
        phone = SimulatedPhone(settings)
        phone.seed(0)
        return phone(photograph, 2.0)

    whole = seeded(PhoneSettings())
    for name in ("luma_denoising", "chroma_denoising", "tone_mapping", "contrast", "sharpening", "jpeg_quality"):
        assert not torch.equal(seeded(replace(PhoneSettings(), **{name: 0})), whole), name


def test_random_phones_are_plausible_repeatable_and_different() -> None:
    drawn = [random_settings(seed) for seed in range(50)]
    assert len(set(drawn)) == 50
    assert drawn[7] == SimulatedPhone.random(7).settings
    for settings in drawn:
        # White has to come out as white, and no colour of the scene may need more light than the sensor has.
        assert np.allclose(np.array(settings.colour_matrix).sum(1), 1)
        assert np.linalg.det(np.array(settings.colour_matrix)) > 0.5


def test_an_option_file_names_it() -> None:
    made = build_degradation({"type": "Phone", "jpeg_quality": 80, "scale_range": [1, 4]})
    assert isinstance(made, SimulatedPhone)
    assert made.settings == replace(PhoneSettings(), jpeg_quality=80)
    assert made.scale_range == (1, 4)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"colour_matrix": ((1, 0, 0), (0, 1, 0), (0, 0, 2))}, "colour_matrix with the sum 1"),
        ({"exposure": 0.0}, "above 0, at most 16 in degradation.exposure"), ({"tone_mapping": 1.5}, "from 0 to 1"),
        ({"white_balance": (0.5, 1.0)}, "from 1 to 16 in degradation.white_balance"), ({"shot_noise": -1.0}, "from 0"),
        ({"jpeg_quality": 101}, "from 0 to 100"), ({"blur": 0.0}, "in degradation.blur"), ({"oversampling": 4}, "odd"),
    ],
)  # fmt: skip
def test_bad_settings_are_refused(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        replace(PhoneSettings(), **wrong)  # type: ignore[arg-type]
