"""BasicSR's filter2D behind its DiffJPEG, and in its own Real-ESRGAN models."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage
import torch
from helpers.basicsr_experiment import as_is
from helpers.stock_realesrnet import degrade_with_realesrnet
from torch import Tensor

from degflow_aug import compat

if not compat.has_basicsr():
    pytest.skip("BasicSR is not installed", allow_module_level=True)


@pytest.fixture(scope="module", autouse=True)
def patched() -> None:
    compat.patch_training()


def images(batch: int, *size: int) -> Tensor:
    return torch.rand(batch, 3, *size, generator=torch.Generator().manual_seed(0))


def test_unpatched_filter_fails_on_what_diffjpeg_returns() -> None:
    assert as_is()["filter2D behind DiffJPEG"] == "RuntimeError"
    assert as_is()["RealESRNetModel with a batch of two"] == "RuntimeError"


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


def test_jpeg_then_blur_works() -> None:
    from basicsr.utils import DiffJPEG
    from basicsr.utils.img_process_util import filter2D

    compressed = DiffJPEG(differentiable=False)(images(2, 32, 48), quality=torch.tensor([50.0, 90.0]))
    assert filter2D(compressed, torch.full((2, 3, 3), 1 / 9)).shape == (2, 3, 32, 48)


@pytest.mark.parametrize("name", ["realesrgan_model", "realesrnet_model"])
def test_the_models_use_the_patched_filter(name: str) -> None:
    import importlib

    from basicsr.utils import img_process_util

    module = importlib.import_module(f"basicsr.models.{name}")
    assert module.filter2D is img_process_util.filter2D
    assert hasattr(module.filter2D, "__wrapped__")


def test_the_stock_model_degrades_a_batch() -> None:
    assert degrade_with_realesrnet(2) == [2, 3, 32, 32]
