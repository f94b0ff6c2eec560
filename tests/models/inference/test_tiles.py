"""Windows of an image: their cores cover it once, their weights add up to 1, none is larger than it may be."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from degflow_aug.models.inference.tiles import Span, Tiles, map_windows

SIZES = pytest.mark.parametrize("size", [1, 30, 64, 65, 100, 129, 1000])


def tiles(exact: bool, multiple: int = 1) -> Tiles:
    return Tiles(64, 16, multiple, exact)


@SIZES
@pytest.mark.parametrize("multiple", [1, 8])
def test_cores_cover_an_axis_once_and_windows_have_their_margin(size: int, multiple: int) -> None:
    spans = tiles(True, multiple).spans(size)
    assert [each.core[0] for each in spans] == [0, *(each.core[1] for each in spans[:-1])]
    assert spans[-1].core[1] == size
    for each in spans:
        assert each.end - each.start <= 64
        assert each.start % multiple == 0
        assert each.start == max(0, each.core[0] - 16)
        assert each.end == min(size, each.core[1] + 16)


@SIZES
@pytest.mark.parametrize("scale", [1, 2, 2.7, 4])
@pytest.mark.parametrize("exact", [True, False])
def test_weights_add_up_to_one(size: int, scale: float, exact: bool) -> None:
    some, length = tiles(exact), max(1, round(size * scale))
    weights = torch.stack([some.weights(span, size, length) for span in some.spans(size)])
    assert torch.allclose(weights.sum(0), torch.ones(length), atol=1e-6)
    assert not exact or set(weights.unique().tolist()) <= {0.0, 1.0}


def test_what_a_window_lacks_the_sight_of_is_left_out() -> None:
    """Blended windows keep half of their margin to themselves."""
    some = tiles(False)
    for span in some.spans(200):
        inside = some.weights(span, 200, 200).nonzero()
        assert span.start == 0 or inside.min() >= span.start + 8
        assert span.end == 200 or inside.max() < span.end - 8


@pytest.mark.parametrize("exact", [True, False])
def test_an_image_comes_out_as_it_is(exact: bool) -> None:
    image = torch.rand(3, 150, 90)

    def render(rows: Span, columns: Span, down: slice, across: slice) -> Tensor:
        assert rows.start <= down.start < down.stop <= rows.end
        return image[:, down, across]

    assert torch.allclose(map_windows(render, (150, 90), (150, 90), tiles(exact)), image, atol=1e-6)
