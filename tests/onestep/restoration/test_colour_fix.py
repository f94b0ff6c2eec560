"""Colours of the LR image: its statistics, or its low frequencies, and nothing else of it."""

from __future__ import annotations

import pytest
import torch

from degflow_aug.onestep.restoration.colour_fix import COLOUR_FIXES, fix_colours, high_frequencies, low_frequencies


def images() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    image, reference = (torch.rand(2, 3, 40, 52, generator=generator, dtype=torch.float64) for _ in range(2))
    return image * 0.3, 0.5 + 0.4 * reference


def test_adain_has_the_statistics_of_the_reference() -> None:
    image, reference = images()
    fixed = fix_colours(image, reference, "adain")
    for found, wanted in zip(
        torch.std_mean(fixed, dim=(-2, -1)), torch.std_mean(reference, dim=(-2, -1)), strict=True
    ):  # fmt: skip
        assert torch.allclose(found, wanted)


def test_wavelet_has_one_images_detail_and_the_others_colour() -> None:
    image, reference = images()
    fixed = fix_colours(image, reference, "wavelet")
    assert torch.allclose(fixed - low_frequencies(reference), high_frequencies(image))
    assert torch.allclose(high_frequencies(image) + low_frequencies(image), image)


@pytest.mark.parametrize("how", COLOUR_FIXES)
def test_an_image_with_the_right_colours_stays(how: str) -> None:
    image, _ = images()
    assert torch.allclose(fix_colours(image, image, how), image)


def test_a_constant_is_low_frequency() -> None:
    flat = torch.full((1, 3, 70, 70), 0.3)
    assert torch.allclose(low_frequencies(flat), flat, atol=1e-6)


def test_what_cannot_be_is_said() -> None:
    image, reference = images()
    with pytest.raises(ValueError, match="adain, wavelet, none"):
        fix_colours(image, reference, "adian")
    with pytest.raises(ValueError, match="expected a reference"):
        fix_colours(image, reference[..., :-1], "adain")
