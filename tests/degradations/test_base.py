from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from degflow_aug.degradations.base import Degradation, patch_sides
from degflow_aug.degradations.bicubic import Bicubic
from degflow_aug.degradations.grid import lr_size


class Mean(Degradation):
    """Paints the LR image in the mean colour of what it covers, so that a patch tells which square it came from."""

    def forward(self, hr: Tensor, scale: float) -> Tensor:
        self.check(hr, scale)
        return hr.mean((-2, -1), keepdim=True).expand(-1, -1, *lr_size(hr.shape[-2], hr.shape[-1], scale))


class Noise(Degradation):
    def forward(self, hr: Tensor, scale: float) -> Tensor:
        size = lr_size(hr.shape[-2], hr.shape[-1], scale)
        return torch.rand(len(hr), 3, *size, generator=self.generator(hr.device))


def test_patches_cover_their_top_left_squares() -> None:
    hr = torch.linspace(0, 1, 64).expand(4, 3, 64, 64)
    scales = torch.tensor([1.0, 1.7, 2.5, 4.0])
    patches = Mean().lr_patches(hr, scales, 16)
    assert patches.shape == (4, 3, 16, 16)
    for patch, side in zip(patches, (16, 27, 40, 64), strict=True):
        torch.testing.assert_close(patch, hr[0, :, :side, :side].mean().expand_as(patch))


@pytest.mark.parametrize("lr_size", [1, 7, 16, 48])
def test_patch_sides_round_as_python_does(lr_size: int) -> None:
    scales = torch.cat([torch.linspace(1, 4, 301), torch.tensor([1.5, 2.5, 3.5, 1.09375])])
    expected = [round(lr_size * scale) for scale in scales.tolist()]
    assert patch_sides(scales, lr_size).tolist() == expected
    assert patch_sides(scales.double(), lr_size).tolist() == expected


@pytest.mark.parametrize(
    ("scales", "lr_size", "message"),
    [
        (torch.tensor([1.5, 4.0]), 16, "at least 64 pixels for scale 4 and LR size 16, got 60x60"),
        (torch.ones(3), 16, r"one scale a sample, shape \(2,\), got \(3,\)"),
        (torch.ones(2, 1), 16, r"one scale a sample, shape \(2,\), got \(2, 1\)"),
        (torch.tensor([1.5, 4.5]), 8, r"scale from 1\.3 to 4, got 4\.5"),
        (torch.tensor([1.2, 2.0]), 8, r"scale from 1\.3 to 4, got 1\.2"),
        (torch.tensor([2.0, torch.nan]), 8, "got nan"),
        (torch.tensor([2.0, 2.0]), 0, "LR size of at least 1, got 0"),
    ],
)
def test_scales_that_cannot_be_are_refused(scales: Tensor, lr_size: int, message: str) -> None:
    degradation = Mean()
    degradation.scale_range = (1.3, 4.0)
    for call in (degradation.check_patches, degradation.lr_patches):
        with pytest.raises(ValueError, match=message):
            call(torch.zeros(2, 3, 60, 60), scales, lr_size)


def test_both_ends_of_the_range_may_come_through_float32() -> None:
    degradation = Mean()
    degradation.scale_range = (1.3, 2.9)
    ends = torch.tensor([1.3, 2.9])
    assert ends[0].item() < 1.3
    assert ends[1].item() > 2.9
    assert degradation.sample_scales(torch.zeros(2, 3, 60, 60), ends).tolist() == [1.3, 2.9]


def test_scales_on_an_accelerator_are_trusted() -> None:
    degradation = Mean()
    degradation.scale_range = (1.0, 2.0)
    scales = torch.empty(2, device="meta")
    hr = torch.empty(2, 3, 60, 60, device="meta")
    assert degradation.sample_scales(hr, scales) is scales
    checked, sides = degradation.check_patches(hr, scales, 16)
    assert checked is scales
    assert sides.device.type == "meta"


@pytest.mark.parametrize(
    ("hr", "message"),
    [
        (torch.zeros(3, 16, 16), "float tensor"),
        (torch.zeros(1, 1, 16, 16), "float tensor"),
        (torch.zeros(1, 3, 16, 16, dtype=torch.uint8), "torch.uint8"),
        (torch.zeros(1, 3, 7, 16), "at least 8x8 pixels, got 7x16"),
    ],
)
def test_bad_hr_is_refused(hr: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Mean().check(hr, 2.0)


def test_render_comes_back_to_the_hr_grid() -> None:
    view = Mean().render(torch.full((2, 3, 21, 34), 0.4), 2.7)
    torch.testing.assert_close(view, torch.full((2, 3, 21, 34), 0.4))


def test_views_are_those_of_the_samples_alone() -> None:
    hr, scales = torch.rand(2, 3, 12, 9), torch.tensor([1.5, 3.0])
    found = Bicubic().views(hr, scales)
    assert torch.equal(found, torch.cat([Bicubic().render(hr[:1], 1.5), Bicubic().render(hr[1:], 3.0)]))
    with pytest.raises(ValueError, match="expected one scale a sample"):
        Bicubic().views(hr, torch.tensor([2.0]))


def test_the_random_stream_is_its_own_and_restarts_with_the_seed() -> None:
    degradation, hr = Noise(), torch.zeros(2, 3, 16, 16)
    before = torch.random.get_rng_state()
    degradation.seed(0)
    first, second = degradation(hr, 2), degradation(hr, 2)
    assert torch.equal(before, torch.random.get_rng_state())
    assert not torch.equal(first, second)
    degradation.seed(0)
    assert torch.equal(first, degradation(hr, 2))
    degradation.seed(1)
    assert not torch.equal(first, degradation(hr, 2))


@pytest.mark.parametrize("seed", [None, "5", 1.5, True, 2**70])
def test_a_seed_that_is_none_is_refused_before_anything_is_drawn(seed: Any) -> None:
    with pytest.raises(ValueError, match=r"expected a whole number of at most 64 bits as seed, got"):
        Noise().seed(seed)
