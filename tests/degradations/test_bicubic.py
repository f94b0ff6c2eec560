from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from degflow_aug.degradations.bicubic import Bicubic


@pytest.mark.parametrize("scale", [1.0, 1.3, 2.0, 2.9, 4.0])
def test_is_pillows_bicubic_clamped(scale: float) -> None:
    image = np.random.default_rng(1).random((40, 56), dtype=np.float32)
    lr = Bicubic()(torch.from_numpy(image).expand(1, 3, 40, 56), scale)
    size = (round(56 / scale), round(40 / scale))
    reference = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC)).clip(0, 1)
    np.testing.assert_allclose(lr[0, 1].numpy(), reference, atol=2e-6)


def test_builds_no_graph() -> None:
    assert not Bicubic()(torch.rand(1, 3, 16, 16, requires_grad=True), 2).requires_grad


def test_a_patch_does_not_depend_on_its_batch() -> None:
    hr = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    scales = torch.tensor([1.0, 2.3, 4.0])
    together = Bicubic().lr_patches(hr, scales, 16)
    for i in range(3):
        torch.testing.assert_close(together[i : i + 1], Bicubic().lr_patches(hr[i : i + 1], scales[i : i + 1], 16))


def test_scales_below_one_are_refused() -> None:
    with pytest.raises(ValueError, match="expected a scale from 1"):
        Bicubic()(torch.zeros(1, 3, 16, 16), 0.5)
