"""Tiles add up to the map of the whole: exactly for maps without context, without a seam for others."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from degflow_aug.onestep.restoration.tiling import Tiling, gaussian_weights, map_tiles

SIZES = [(64, 64), (65, 70), (100, 33), (31, 190)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("tiling", [Tiling(32, 16), Tiling(32, 0), Tiling(48, 20), Tiling(200, 100)])
def test_identity_and_constant(size: tuple[int, int], tiling: Tiling) -> None:
    image = torch.rand(2, 3, *size)
    assert torch.allclose(map_tiles(lambda part: part, image, tiling), image, atol=1e-6)
    constant = map_tiles(lambda part: torch.full_like(part, 0.7), image, tiling)
    assert torch.allclose(constant, torch.full_like(image, 0.7), atol=1e-6)


@pytest.mark.parametrize("factor", [8, 2, 0.5, 0.125])
def test_maps_to_other_sizes(factor: float) -> None:
    def resized(part: Tensor) -> Tensor:
        return F.interpolate(part, scale_factor=factor, mode="area" if factor < 1 else "nearest")

    image = torch.rand(1, 2, 64, 96)
    assert torch.allclose(map_tiles(resized, image, Tiling(32, 16)), resized(image), atol=1e-6)


@pytest.mark.parametrize("size", range(64, 300, 7))
def test_every_cell_is_in_a_tile_and_none_beyond_the_border(size: int) -> None:
    tiling = Tiling(64, 24)
    covered = torch.zeros(size)
    for start in tiling.starts(size):
        assert 0 <= start <= max(0, size - tiling.side)
        covered[start : start + tiling.side] += 1
    assert covered.min() >= 1


def test_weights_are_symmetric_and_one_in_the_middle() -> None:
    weights = gaussian_weights(9, 12, torch.zeros(1))
    assert torch.allclose(weights, weights.flip(0).flip(1))
    assert weights[4, 5:7].tolist() == pytest.approx([math.exp(-0.25 / (0.02 * 144))] * 2)
    assert weights.min() > 0


def test_a_small_tensor_is_one_piece() -> None:
    seen = []
    map_tiles(lambda part: seen.append(part.shape) or part, torch.zeros(1, 1, 32, 20), Tiling(32, 8))
    assert seen == [(1, 1, 32, 20)]


def test_an_overlap_leaves_a_step() -> None:
    with pytest.raises(ValueError, match="overlap"):
        Tiling(8, 8)
