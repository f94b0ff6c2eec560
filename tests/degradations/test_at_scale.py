"""A degradation with its scale stands where a module or a transform of one argument stands."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
from helpers.random_networks import random_noise, random_rae, random_velocity
from torch import Tensor, nn
from torchvision.transforms import v2

import degflow_aug
from degflow_aug import AtScale
from degflow_aug.degradations.base import Degradation
from degflow_aug.degradations.bicubic import Bicubic
from degflow_aug.degradations.generator.degflow import DegFlow

HR = torch.rand(2, 3, 48, 64, generator=torch.Generator().manual_seed(0))


def generator(noise: float = 0.0) -> Degradation:
    return DegFlow(random_rae(), random_velocity(base_channels=4), residual=random_noise(), noise=noise)


@pytest.mark.parametrize("make", [Bicubic, generator])
def test_a_batch_and_an_image_in_a_chain(make: Any) -> None:
    degradation = make()
    transform = AtScale(degradation, 2.0)
    batch = nn.Sequential(nn.Identity(), transform)(HR)
    assert torch.equal(batch, degradation(HR, 2.0))
    assert torch.equal(transform(HR[1]), degradation(HR[1:], 2.0)[0])
    assert transform(HR[1]).is_contiguous()
    assert not transform(HR.clone().requires_grad_()).requires_grad


def test_chains_of_torchvision() -> None:
    pixels = HR[0].mul(255).byte()
    to_image = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])
    found = v2.Compose([to_image, v2.RandomCrop(32), AtScale(Bicubic(), 2.0), v2.RandomHorizontalFlip(1.0)])(pixels)
    assert type(found) is Tensor
    assert found.shape == (3, 16, 16)
    with pytest.raises(ValueError, match=r"got torch\.uint8 \(1, 3, 48, 64\); divide 8-bit values by 255"):
        v2.Compose([v2.ToImage(), AtScale(Bicubic(), 2.0)])(pixels)


def test_chains_of_kornia() -> None:
    augmentation = pytest.importorskip("kornia.augmentation", reason="kornia is not installed")
    chain = augmentation.ImageSequential(augmentation.RandomHorizontalFlip(p=1.0), AtScale(Bicubic(), 2.0))
    torch.testing.assert_close(chain(HR), Bicubic()(HR.flip(-1), 2.0))


def test_a_range_of_scales_is_drawn_per_call_and_repeats_under_a_seed() -> None:
    transform = AtScale(generator(noise=1.0), (1.5, 3.0))
    sizes = {transform(HR[0]).shape[-2] for _ in range(30)}
    assert 16 <= min(sizes) < max(sizes) <= 32
    assert len(sizes) > 5
    transform.seed(3)
    first = [transform(HR) for _ in range(3)]
    for again in (transform, copy.deepcopy(transform), pickle.loads(pickle.dumps(transform))):
        again.seed(3)
        assert all(torch.equal(one, again(HR)) for one in first)
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    AtScale(Bicubic(), 2.0)(HR)
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize(
    ("scale", "sentence"),
    [
        (5.0, "a scale from 1 to 4, got 5"),
        ((2.0, 5.0), "a scale from 1 to 4, got 5"),
        ((3.0, 2.0), "the lowest scale first"),
        ((1.0, 2.0, 3.0), r"a scale or \(lowest, highest\)"),
        ([2.0], r"a scale or \(lowest, highest\)"),
        ("2", "one scale as a number, got '2'"),
        (None, "one scale as a number, got None"),
    ],
)
def test_other_scales_are_one_sentence(scale: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=f"expected {sentence}"):
        AtScale(generator(), scale)


@pytest.mark.parametrize("fixed", [AtScale(Bicubic(), 2.0), nn.Identity(), degflow_aug.load_generator])
def test_what_takes_no_scale_is_refused(fixed: Any) -> None:
    with pytest.raises(ValueError, match=f"a degradation that takes a scale, got {type(fixed).__name__}"):
        AtScale(fixed, 2.0)


def test_a_bundle_is_loaded_with_its_scale() -> None:
    transform = degflow_aug.load_generator("simulator", scale=2.0)
    assert torch.equal(transform(HR), degflow_aug.load_generator("simulator")(HR, 2.0))
    assert degflow_aug.load_generator("city100-nikon", scale=(2, 2.9)).scales == (2.0, 2.9)
    with pytest.raises(ValueError, match=r"expected a scale from 1 to 2\.9, got 4"):
        degflow_aug.load_generator("city100-nikon", scale=4)
