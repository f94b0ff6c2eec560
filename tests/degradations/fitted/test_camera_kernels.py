"""Kernels of several cameras, each sample with that of its own."""

from __future__ import annotations

import pytest
import torch

from degflow_aug.degradations.fitted.camera_kernels import CameraKernels, kernel_of, states_of
from degflow_aug.degradations.fitted.fitted_kernel import FittedKernel
from degflow_aug.degradations.fitted.pseudo_views import pseudo_views

KNOTS = (1.0, 2.0, 4.0)


def kernel(seed: int, knots: tuple[float, ...] = KNOTS, side: int = 9) -> FittedKernel:
    """Random blurs that widen with the scale."""
    generator = torch.Generator().manual_seed(seed)
    kernels = torch.zeros(len(knots), 3, side, side)
    for index in range(1, len(knots)):
        spot = torch.rand(3, 2 * index + 1, 2 * index + 1, generator=generator) + 0.1
        inner = slice(side // 2 - index, side // 2 + index + 1)
        kernels[index, :, inner, inner] = spot / spot.sum((-2, -1), keepdim=True)
    kernels[0, :, side // 2, side // 2] = 1
    return FittedKernel(torch.tensor(knots), kernels)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_pseudo_views_are_those_of_each_sample_s_camera(dtype: torch.dtype) -> None:
    single = [kernel(seed) for seed in range(3)]
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
    for kernels in (CameraKernels([kernel(seed) for seed in range(2)]), kernel(3)):
        again = kernel_of(states_of(kernels))
        assert type(again) is type(kernels)
        assert all(torch.equal(value, again.state_dict()[key]) for key, value in kernels.state_dict().items())
    assert kernel_of(states_of(None)) is None


OTHER_KNOTS, OTHER_SIZE, FEWER_KNOTS = kernel(0, (1.0, 2.0, 3.0)), kernel(0, side=11), kernel(0, (1.0, 2.0))


@pytest.mark.parametrize("kernels", [[], [kernel(0), OTHER_KNOTS], [kernel(0), OTHER_SIZE], [kernel(0), FEWER_KNOTS]])
def test_kernels_that_do_not_go_together_are_refused(kernels: list[FittedKernel]) -> None:
    with pytest.raises(ValueError, match="one kind and size at the same knots for all cameras"):
        CameraKernels(kernels)
