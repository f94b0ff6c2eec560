"""Images as tensors, and back."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from degflow_aug.data.tensors import to_array, to_tensor


def test_tensors_hold_the_same_values_as_arrays() -> None:
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (24, 40, 3), dtype=np.uint8)
    for image, peak in ((rgb, 255), (rng.integers(0, 65536, rgb.shape, dtype=np.uint16), 65535)):
        tensor = to_tensor(image)
        assert tensor.dtype == torch.float32
        assert tensor.is_contiguous()
        np.testing.assert_array_equal(tensor.numpy(), (image / np.float32(peak)).transpose(2, 0, 1))
    np.testing.assert_array_equal(to_array(to_tensor(rgb)), rgb)


def test_arrays_are_rounded_and_clipped() -> None:
    values = torch.tensor([-0.2, 0.49 / 255, 0.51 / 255, 254.6 / 255, 1.3, 0.5])
    assert to_array(values.expand(3, 1, 6))[0, :, 0].tolist() == [0, 0, 1, 255, 255, 128]
    assert to_array(torch.full((3, 2, 2), 0.5, dtype=torch.float16)).dtype == np.uint8
    with pytest.raises(ValueError, match=r"\(3, H, W\)"):
        to_array(torch.zeros(1, 3, 4, 4))
    with pytest.raises(ValueError, match="NaN"):
        to_array(torch.full((3, 2, 2), float("nan")))
