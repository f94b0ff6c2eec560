"""NIQE on images it is not defined on."""

from __future__ import annotations

import math

import numpy as np
import pytest

from degflow_aug import compat
from degflow_aug.compat.metrics import tolerant_niqe

if not compat.has_basicsr():
    pytest.skip("BasicSR is not installed", allow_module_level=True)


@pytest.fixture(scope="module", autouse=True)
def patched() -> None:
    compat.patch_training()


def textured(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    "image",
    [*(textured(*size) for size in ((100, 120), (96, 96), (50, 300), (1, 1))), np.full((200, 200, 3), 128, np.uint8)],
)
def test_small_and_flat_images_give_nan_and_a_warning(image: np.ndarray) -> None:
    from basicsr.metrics import calculate_metric, calculate_niqe

    with pytest.warns(UserWarning, match=r"NIQE is not defined on this image"):
        assert math.isnan(calculate_niqe(image, 0))
    with pytest.warns(UserWarning, match=r"NIQE is not defined"):
        assert math.isnan(calculate_metric({"img": image}, {"type": "calculate_niqe", "crop_border": 0}))


def test_large_images_keep_their_value() -> None:
    from basicsr.metrics import calculate_niqe, niqe

    value = calculate_niqe(textured(200, 200), 0)
    assert math.isfinite(value)
    wrapped = niqe.niqe
    niqe.niqe = wrapped.__wrapped__
    try:
        assert calculate_niqe(textured(200, 200), 0) == value
    finally:
        niqe.niqe = wrapped


def test_other_errors_are_not_hidden() -> None:
    def broken(*_: object) -> float:
        raise KeyError("parameters")

    with pytest.raises(KeyError):
        tolerant_niqe(broken)(textured(200, 200)[..., 0], *[np.zeros(1)] * 3)
