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
        ({"jpeg_range2": (0, 30)}, "expected jpeg_range2 as"),
        ({"noise_range": (1,)}, "expected noise_range as"),
        ({"blur_sigma": (0, 1)}, "expected blur_sigma as"),
        ({"blur_kernel_size": 20}, "blur_kernel_size odd and at least 7, got 20"),
        ({"blur_kernel_size2": 5}, "blur_kernel_size2 odd and at least 7, got 5"),
        ({"kernel_list": ("skew",), "kernel_prob": (1,)}, "got 'skew'"),
        ({"kernel_list": ("iso",)}, "expected 1 weights of at least 0 in kernel_prob"),
        ({"resize_prob2": (0, 0, 0)}, "expected 3 weights of at least 0 in resize_prob2"),
        ({"final_sinc_prob": 1.2}, "final_sinc_prob from 0 to 1, got 1.2"),
        ({"gray_noise_prob2": -0.1}, "gray_noise_prob2 from 0 to 1"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message.replace(".", r"\.")):
        RealESRGANSettings(**options)
