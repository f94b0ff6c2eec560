from __future__ import annotations

from typing import Any

import pytest

from degflow_aug.degradations.realesrgan.settings import RealESRGANSettings


def test_lists_of_an_option_file_become_tuples() -> None:
    settings = RealESRGANSettings(jpeg_range=[40, 90], kernel_list2=["iso"], kernel_prob2=[1])  # type: ignore[arg-type]
    assert settings.jpeg_range == (40, 90)
    assert settings.kernel_list2 == ("iso",)
    hash(settings)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"jpeg_range": (95, 30)}, "expected jpeg_range as"),
        ({"jpeg_range2": (0, 30)}, "from 1 to 100 in degradation.jpeg_range2, got 0"),
        ({"noise_range": (1,)}, "expected 2 values in degradation.noise_range"),
        ({"blur_sigma": (0, 1)}, "in degradation.blur_sigma, got 0"),
        ({"blur_kernel_size": 20}, "blur_kernel_size odd and at least 7, got 20"),
        ({"blur_kernel_size2": 5}, "from 7 to 255 in degradation.blur_kernel_size2, got 5"),
        ({"kernel_list": ("skew",), "kernel_prob": (1,)}, "got 'skew'"),
        ({"kernel_list": ("iso",)}, "expected 1 weights of at least 0 in kernel_prob"),
        ({"resize_prob2": (0, 0, 0)}, "expected 3 weights of at least 0 in resize_prob2"),
        ({"final_sinc_prob": 1.2}, "from 0 to 1 in degradation.final_sinc_prob, got 1.2"),
        ({"gray_noise_prob2": -0.1}, "from 0 to 1 in degradation.gray_noise_prob2"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message.replace(".", r"\.")):
        RealESRGANSettings(**options)
