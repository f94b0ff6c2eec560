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
