"""BasicSR's filter2D behind its DiffJPEG, and in its own Real-ESRGAN models."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage
import torch
from torch import Tensor

from degflow_aug import compat

if not compat.has_basicsr():
    pytest.skip("BasicSR is not installed", allow_module_level=True)


@pytest.fixture(scope="module", autouse=True)
def patched() -> None:
    compat.patch_training()


def images(batch: int, *size: int) -> Tensor:
    return torch.rand(batch, 3, *size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("batch", [1, 2, 3])
@pytest.mark.parametrize("kernels", [1, None], ids=["one kernel", "a kernel a sample"])
def test_any_layout_is_filtered_as_scipy_does(batch: int, kernels: int | None) -> None:
    from basicsr.utils.img_process_util import filter2D

    image, kernel = images(batch, 24, 31), torch.rand(5, 5, kernels or batch).permute(2, 0, 1)
    for strided in (image, image.to(memory_format=torch.channels_last), image.mT.contiguous().mT):
        result = filter2D(strided, kernel)
        for b in range(batch):
            for c in range(3):
                weights = kernel[min(b, len(kernel) - 1)].numpy()
                expected = scipy.ndimage.correlate(image[b, c].numpy(), weights, mode="mirror")
                np.testing.assert_allclose(result[b, c].numpy(), expected, rtol=1e-4, atol=1e-5)


def test_the_stock_models_filter_with_it() -> None:
    from basicsr.models import realesrgan_model, realesrnet_model
    from basicsr.utils import img_process_util

    assert realesrgan_model.filter2D is realesrnet_model.filter2D is img_process_util.filter2D
