"""Tiles that keep every pixel once, and an autoencoder in tiles that equals the one in one piece."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from helpers.random_networks import random_rae
from hypothesis import given
from hypothesis import strategies as st

from degflow_aug.archs.generator.ncsnpp_arch import hr_condition
from degflow_aug.archs.generator.rae_arch import ResidualAutoencoder
from degflow_aug.degradations.generator.execution import EncodedHR, tiles


@given(
    height=st.integers(1, 200).map(lambda n: 8 * n),
    width=st.integers(1, 200).map(lambda n: 8 * n),
    tile=st.integers(224, 700),
    margin=st.sampled_from([72, 80]),
)
def test_tiles_keep_every_pixel_once_with_its_margin(height: int, width: int, tile: int, margin: int) -> None:
    kept = np.zeros((height // 8, width // 8), int)
    for part in tiles(height, width, tile, margin, 8):
        kept[tuple(slice(axis.start // 8, axis.stop // 8) for axis in part.keep)] += 1
        for side, read, keep, inside in zip((height, width), part.read, part.keep, part.inside, strict=True):
            assert read.start % 8 == read.stop % 8 == keep.start % 8 == keep.stop % 8 == 0
            assert 0 <= read.start <= keep.start < keep.stop <= read.stop <= side
            assert read.stop - read.start <= tile
            assert (inside.start, inside.stop) == (keep.start - read.start, keep.stop - read.start)
            assert read.start == 0 or keep.start - read.start >= margin
            assert read.stop == side or read.stop - keep.stop >= margin
    assert (kept == 1).all()


def test_a_tile_without_room_between_its_margins_is_refused() -> None:
    with pytest.raises(ValueError, match="a tile of at least 224 pixels, got 223; raise it"):
        tiles(1000, 1000, 223, 80, 8)


@pytest.fixture(scope="module")
def rae() -> ResidualAutoencoder:
    return random_rae(4, residual=True).requires_grad_(False)


@pytest.mark.parametrize(
    ("sizes", "size", "tile"),
    [
        ({}, (392, 328), 256),
        ({}, (400, 360), 231),
        ({}, (264, 520), 256),
        ({"unshuffle": 2, "multipliers": (1, 1, 2), "decoder_blocks": 1}, (328, 240), 224),
        ({"unshuffle": 4, "multipliers": (1, 1), "encoder_blocks": 1, "decoder_blocks": 1}, (328, 240), 224),
    ],
)
@torch.no_grad()
def test_tiles_equal_one_piece_to_the_last_digits(sizes: dict[str, Any], size: tuple[int, int], tile: int) -> None:
    rae, random = random_rae(2, residual=True, **sizes).double(), torch.Generator().manual_seed(0)
    image = torch.rand(2, 3, *size, dtype=torch.float64, generator=random) * 2 - 1
    whole, tiled = (EncodedHR(rae, image, tile=side, conditioned=True) for side in (1024, tile))
    assert whole.projected is not None
    assert tiled.projected is None
    torch.testing.assert_close(tiled.latent, whole.latent, rtol=0, atol=1e-12)
    torch.testing.assert_close(tiled.condition, whole.condition, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(whole.condition, hr_condition(rae.encode(image)[1]), rtol=0, atol=0)
    latents = [whole.latent, torch.randn(whole.latent.shape, dtype=torch.float64, generator=random)]
    for one, other in zip(tiled.decode(latents), whole.decode(latents), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


def test_no_condition_is_kept_unless_asked_for(rae: ResidualAutoencoder) -> None:
    for size in (64, 264):
        image = torch.zeros(1, 3, size, size)
        assert EncodedHR(rae, image, tile=256, conditioned=False).condition is None
        assert EncodedHR(rae, image, tile=256, conditioned=True).condition is not None


def test_an_image_as_large_as_the_tile_stays_in_one_piece(rae: ResidualAutoencoder) -> None:
    assert EncodedHR(rae, torch.zeros(1, 3, 128, 512), tile=256, conditioned=False).projected is not None
    assert EncodedHR(rae, torch.zeros(1, 3, 128, 520), tile=256, conditioned=False).projected is None
