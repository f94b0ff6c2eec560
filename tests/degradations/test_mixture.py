"""Mixtures: the weights are kept, every sample is what its part alone makes, and all of it repeats."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from degflow_aug.degradations.base import Degradation
from degflow_aug.degradations.bicubic import Bicubic
from degflow_aug.degradations.grid import lr_size
from degflow_aug.degradations.mixture import Mixture
from degflow_aug.degradations.simulator.camera import SimulatedCamera


class Noise(Degradation):
    def forward(self, hr: Tensor, scale: float) -> Tensor:
        size = lr_size(hr.shape[-2], hr.shape[-1], scale)
        return torch.rand(len(hr), 3, *size, generator=self.generator(hr.device))


class Flat(Degradation):
    """Gives every sample the same value."""

    def __init__(self, value: float, low: float = 1.0, high: float = math.inf) -> None:
        super().__init__()
        self.value, self.scale_range, self.batches = value, (low, high), []

    def forward(self, hr: Tensor, scale: float) -> Tensor:
        self.batches.append(len(hr))
        return hr.new_full((len(hr), 3, *lr_size(hr.shape[-2], hr.shape[-1], scale)), self.value)


def images(batch: int, size: int = 40) -> Tensor:
    return torch.rand(batch, 3, size, size, generator=torch.Generator().manual_seed(0))


def drawn_parts(mixture: Mixture, seed: int, batch: int) -> list[int]:
    mixture.seed(seed)
    parts = mixture.draw(batch).tolist()
    mixture.seed(seed)
    return parts


@pytest.mark.parametrize("weights", [(1.0, 1.0), (7.0, 3.0), (0.1, 0.2, 0.7), (1.0, 0.0), (5.0,)])
def test_parts_come_as_often_as_their_weights_say(weights: tuple[float, ...]) -> None:
    mixture = Mixture([(weight, Bicubic()) for weight in weights])
    counts = np.bincount(mixture.draw(20_000).numpy(), minlength=len(weights))
    np.testing.assert_allclose(counts / 20_000, np.array(weights) / sum(weights), atol=0.015)


def test_every_sample_is_what_its_part_alone_gives() -> None:
    bicubic, camera = Bicubic(), SimulatedCamera()
    mixture, hr, scales = Mixture([(1, bicubic), (2, camera)]), images(10, 83), torch.linspace(1, 4, 10)
    drawn = drawn_parts(mixture, 3, 10)
    assert set(drawn) == {0, 1}
    for call in (
        lambda degradation, rows: degradation.lr_patches(hr[rows], scales[rows], 20),
        lambda degradation, rows: degradation(hr[rows], 2.3),
        lambda degradation, rows: degradation.render(hr[rows], 2.3),
    ):
        mixture.seed(3)
        together = call(mixture, slice(None))
        for i, index in enumerate(drawn):
            alone = call((bicubic, camera)[index], slice(i, i + 1))
            torch.testing.assert_close(together[i : i + 1], alone, rtol=0, atol=1e-6)


def test_samples_of_a_part_are_passed_together() -> None:
    parts = [Flat(0.0), Flat(1.0)]
    mixture = Mixture([(1, part) for part in parts])
    drawn = drawn_parts(mixture, 1, 16)
    mixture(images(16), 2.0)
    assert [part.batches for part in parts] == [[drawn.count(0)], [drawn.count(1)]]
    certain = Mixture([(0, parts[0]), (1, parts[1])])
    certain(images(4), 2.0)
    assert parts[0].batches == [drawn.count(0)]


def test_repeats_under_its_seed_and_leaves_global_states_alone() -> None:
    mixture, hr, scales = Mixture([(1, Noise()), (1, Noise())]), images(6), torch.full((6,), 2.0)
    before, legacy = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    mixture.seed(5)
    first = [mixture.lr_patches(hr, scales, 8) for _ in range(3)]
    mixture.seed(5)
    assert all(torch.equal(one, mixture.lr_patches(hr, scales, 8)) for one in first)
    assert not torch.equal(first[0], first[1])
    mixture.seed(6)
    assert not torch.equal(first[0], mixture.lr_patches(hr, scales, 8))
    assert torch.equal(before, torch.random.get_rng_state())
    assert np.array_equal(legacy, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize("seed", [0, -1, 2**63 + 5])
def test_parts_do_not_share_a_stream(seed: int) -> None:
    parts = [Noise(), Noise()]
    Mixture([(1, Mixture([(1, parts[0])])), (1, parts[1])]).seed(seed)
    hr = images(1)
    assert not torch.equal(parts[0](hr, 2.0), parts[1](hr, 2.0))


def test_the_part_does_not_follow_scales_drawn_from_the_same_seed() -> None:
    mixture, scales, parts = Mixture([(1, Bicubic()), (1, Bicubic())]), [], []
    for seed in range(400):
        scales.append(torch.rand(8, generator=torch.Generator().manual_seed(seed)))
        mixture.seed(seed)
        parts.append(mixture.draw(8))
    correlation = np.corrcoef(torch.cat(scales).numpy(), torch.cat(parts).numpy())[0, 1]
    assert abs(correlation) < 0.06


def test_scales_are_those_of_all_parts() -> None:
    mixture = Mixture([(1, Flat(0, 1.0, 2.9)), (1, Flat(0, 1.5, 4.0)), (1, Bicubic())])
    assert mixture.scale_range == (1.5, 2.9)
    for scale in (1.2, 3.0):
        with pytest.raises(ValueError, match=r"expected a scale from 1\.5 to 2\.9"):
            mixture(images(2), scale)
        with pytest.raises(ValueError, match=r"expected a scale from 1\.5 to 2\.9"):
            mixture.lr_patches(images(2), torch.tensor([2.0, scale]), 8)
    with pytest.raises(ValueError, match=r"scales in common, got the ranges \[\[1\.0, 2\.0\], \[3\.0, 4\.0\]\]"):
        Mixture([(1, Flat(0, 1.0, 2.0)), (1, Flat(0, 3.0, 4.0))])


@pytest.mark.parametrize("weights", [(), (0.0, 0.0), (1.0, -0.1), (math.nan, 1.0), (math.inf, 1.0)])
def test_bad_weights_are_refused(weights: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="finite weights of at least 0, not all 0"):
        Mixture([(weight, Bicubic()) for weight in weights])
