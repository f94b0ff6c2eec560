"""Chunks cover every pixel of every size, and are those of OMGSR where it publishes a grid."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from degflow_aug.onestep.losses.chunks import chunk_starts, chunks


@pytest.mark.parametrize("chunk", [64, 224, 518])
def test_every_pixel_of_every_size_is_covered(chunk: int) -> None:
    for size in range(64, 1101):
        starts = chunk_starts(size, chunk)
        side = min(size, chunk)
        assert starts[0] == 0
        assert starts[-1] == size - side
        assert all(0 < later - earlier <= chunk for earlier, later in pairwise(starts)), size
        assert len(starts) == -(-size // chunk)


@pytest.mark.parametrize(("size", "starts"), [(512, [0, 144, 288]), (1024, [0, 200, 400, 600, 800]), (224, [0])])
def test_published_grids(size: int, starts: list[int]) -> None:
    assert chunk_starts(size, 224) == starts


@pytest.mark.parametrize("size", [(50, 300), (225, 225), (448, 224), (100, 100)])
def test_chunks_are_the_images_parts(size: tuple[int, int]) -> None:
    images = torch.rand(2, 3, *size)
    found = chunks(images, 224)
    places = [(top, left) for top in chunk_starts(size[0], 224) for left in chunk_starts(size[1], 224)]
    assert found.shape == (2 * len(places), 3, min(size[0], 224), min(size[1], 224))
    for number, (top, left) in enumerate(places):
        part = images[..., top : top + 224, left : left + 224]
        assert torch.equal(found[2 * number : 2 * number + 2], part)


def test_no_chunk_of_nothing() -> None:
    with pytest.raises(ValueError, match="at least a pixel"):
        chunk_starts(10, 0)
