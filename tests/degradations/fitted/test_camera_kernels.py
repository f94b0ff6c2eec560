"""Kernels of several cameras, each sample with that of its own."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from helpers.random_kernels import random_kernel

from degflow_aug.degradations.fitted.camera_kernels import CameraKernels, kernel_of, states_of
from degflow_aug.degradations.fitted.pseudo_views import pseudo_views


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_pseudo_views_are_those_of_each_sample_s_camera(dtype: torch.dtype) -> None:
    single = [random_kernel(seed) for seed in range(3)]
    cameras = torch.tensor([2, 0, 1, 2, 0])
    random = torch.Generator().manual_seed(1)
    views = torch.rand(5, 3, 3, 24, 31, generator=random, dtype=dtype)
    scales = torch.tensor([1.0, 1.3, 2.0, 2.7, 4.0])
    found = pseudo_views(CameraKernels(single).of(cameras), views[:, 0], views, scales)
    for row, camera in enumerate(cameras.tolist()):
        one = slice(row, row + 1)
        alone = pseudo_views(single[camera], views[one, 0], views[one], scales[one])
        torch.testing.assert_close(found[one], alone, rtol=0, atol=1e-6)
    assert found.dtype == dtype


def test_state_goes_round() -> None:
    for kernels in (CameraKernels([random_kernel(seed) for seed in range(2)]), random_kernel(3)):
        again = kernel_of(states_of(kernels))
        assert type(again) is type(kernels)
        assert all(torch.equal(value, again.state_dict()[key]) for key, value in kernels.state_dict().items())
    assert kernel_of(states_of(None)) is None


@pytest.mark.parametrize("other", [{"knots": (1.0, 2.0, 3.0)}, {"side": 11}, {"knots": (1.0, 2.0)}])
def test_kernels_that_do_not_go_together_are_refused(other: dict[str, Any]) -> None:
    for kernels in ([], [random_kernel(), random_kernel(**other)]):
        with pytest.raises(ValueError, match="one kind and size at the same knots for all cameras"):
            CameraKernels(kernels)
