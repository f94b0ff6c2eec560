"""Queries: colours by another route, coordinates in closed form, every pixel within reach and none outside."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from degflow_aug.archs.arbitrary_scale.arbitrary_scale_network import pixel_centres
from degflow_aug.archs.arbitrary_scale.queries import Queries, scattered_queries, window_queries

SIDES = [5, 8, 13, 13]
SIZE = 13


def images() -> Tensor:
    return torch.rand(len(SIDES), 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))


def draw(kind: str, gt: Tensor, sides: Tensor, count: int = 40) -> Queries:
    return scattered_queries(gt, sides, count) if kind == "scattered" else window_queries(gt, sides, 4)


@pytest.mark.parametrize("kind", ["scattered", "window"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.long])
def test_colours_are_those_of_grid_sample_in_the_samples_own_square(kind: str, dtype: torch.dtype) -> None:
    gt = images()
    found = draw(kind, gt, torch.tensor(SIDES, dtype=dtype))
    for row, side in enumerate(SIDES):
        # grid_sample takes (x, y).
        grid = found.coord[row].flip(-1)[None, None].float()
        expected = F.grid_sample(gt[row, None, :, :side, :side], grid, mode="nearest", align_corners=False)
        assert torch.equal(found.colours[row], expected[0, :, 0].T)


@pytest.mark.parametrize("kind", ["scattered", "window"])
def test_coordinates_are_pixel_centres_and_cells_pixels(kind: str) -> None:
    """On an image whose colours are row and column, the colour says where the coordinate has to be."""
    rows, columns = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    ramp = torch.stack([rows, columns, rows]).float().expand(len(SIDES), -1, -1, -1)
    found = draw(kind, ramp, torch.tensor(SIDES))
    for row, side in enumerate(SIDES):
        place = found.colours[row, :, :2]
        assert torch.allclose(found.coord[row], -1 + (2 * place + 1) / side, atol=1e-6)
        assert torch.allclose(found.cell[row], torch.full_like(found.cell[row], 2 / side))
        index = (place[:, 0] * side + place[:, 1]).long()
        assert torch.allclose(found.coord[row], pixel_centres(side, side)[index], atol=1e-6)


@pytest.mark.parametrize("kind", ["scattered", "window"])
def test_every_pixel_is_drawn_and_none_outside_of_the_square(kind: str) -> None:
    index = torch.arange(SIZE * SIZE).view(1, 1, SIZE, SIZE).expand(len(SIDES), 3, -1, -1).float()
    seen = torch.zeros(len(SIDES), SIZE * SIZE)
    torch.manual_seed(0)
    for _ in range(400):
        found = draw(kind, index, torch.tensor(SIDES)).colours[..., 0].long()
        seen.scatter_add_(1, found, torch.ones(found.shape))
    for row, side in enumerate(SIDES):
        counts = seen[row].view(SIZE, SIZE)
        assert bool((counts[:side, :side] > 0).all())
        assert int(counts.sum()) == int(counts[:side, :side].sum())
        if kind == "scattered":
            # Chi-squared of an even distribution has the mean side^2 - 1 and the variance twice that.
            expected = counts.sum() / side**2
            chi = float(((counts[:side, :side] - expected) ** 2 / expected).sum())
            freedom = side**2 - 1
            assert abs(chi - freedom) < 5 * (2 * freedom) ** 0.5


@pytest.mark.parametrize("window", [1, 4, 5])
def test_windows_are_contiguous_and_of_the_image(window: int) -> None:
    gt = images()
    starts = set()
    for seed in range(60):
        torch.manual_seed(seed)
        found = window_queries(gt, torch.tensor(SIDES), window).colours
        pictures = found.transpose(1, 2).unflatten(2, (window, window))
        for row, side in enumerate(SIDES):
            places = gt[row, :, :side, :side].unfold(1, window, 1).unfold(2, window, 1)
            same = (places == pictures[row][:, None, None]).all(0).all(-1).all(-1)
            assert int(same.sum()) == 1
            if side == 8:
                starts.add(tuple(same.nonzero()[0].tolist()))
    assert len(starts) > 0.5 * (8 - window + 1) ** 2


@pytest.mark.parametrize("kind", ["scattered", "window"])
def test_nothing_is_read_back_from_the_device(kind: str) -> None:
    meta = torch.device("meta")
    found = draw(kind, images().to(meta), torch.tensor(SIDES).to(meta))
    count = 40 if kind == "scattered" else 16
    assert found.colours.shape == (4, count, 3)
    assert found.coord.shape == found.cell.shape == (4, count, 2)


@pytest.mark.parametrize(("changes", "sentence"), [
    ({"gt": images().numpy()}, "expected HR as a float tensor (B, 3, P, P) in [0, 1], got ndarray"),
    ({"gt": images()[0]}, "got torch.float32 (3, 13, 13)"),
    ({"gt": images().mul(255).byte()}, "got torch.uint8"),
    ({"sides": SIDES}, "expected sides as a tensor (4,), one for each HR image, got list"),
    ({"sides": torch.tensor([5])}, "expected sides as a tensor (4,), one for each HR image, got (1,)"),
    ({"sides": torch.tensor([5, 8, 13, 14])}, "expected sides from 1 to 13 HR pixels, got [5, 8, 13, 14]"),
    ({"sides": torch.tensor([0.0, 8, 13, 13])}, "expected sides from 1 to 13 HR pixels"),
    ({"sides": torch.tensor([torch.nan, 8, 13, 13])}, "expected sides from 1 to 13 HR pixels"),
    ({"count": 0}, "expected a whole number of queries of at least 1, got 0"),
    ({"count": 1.5}, "expected a whole number of queries of at least 1, got 1.5"),
])  # fmt: skip
def test_what_cannot_be_asked_is_one_sentence(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        scattered_queries(**{"gt": images(), "sides": torch.tensor(SIDES), "count": 4, **changes})
