"""Coordinates against the definition, and images that are the same however little memory the queries get."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from degflow_aug.archs.arbitrary_scale.arbitrary_scale_network import (
    ArbitraryScaleNetwork,
    Features,
    pixel_centres,
    upscale,
)


class Ramp(ArbitraryScaleNetwork):
    """Answers with its sample's mean plus the row, the column, and the cell's area; remembers what it was asked."""

    floats_per_query = 256

    def __init__(self) -> None:
        super().__init__()
        self.encoded = 0
        self.asked: list[int] = []

    def encode(self, lq: Tensor) -> Features:
        self.encoded += 1
        return (lq.mean((1, 2, 3)),)

    def query(self, features: Features, coord: Tensor, cell: Tensor) -> Tensor:
        assert coord.shape == cell.shape == (len(features[0]), coord.shape[1], 2)
        self.asked.append(coord.shape[1])
        return torch.cat([coord, cell.prod(-1, keepdim=True)], -1) + features[0].reshape(-1, 1, 1)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 7), (5, 3), (64, 43)])
def test_pixel_centres_are_the_middles_of_equal_parts(height: int, width: int) -> None:
    found = pixel_centres(height, width)
    assert found.shape == (height * width, 2)
    assert found.dtype == torch.float32
    for index, (row, column) in enumerate(found.tolist()):
        i, j = divmod(index, width)
        assert row == pytest.approx(float(-1 + Fraction(2 * i + 1, height)), abs=1e-6)
        assert column == pytest.approx(float(-1 + Fraction(2 * j + 1, width)), abs=1e-6)


@pytest.mark.parametrize("memory_mb", [1e-9, 0.01, 0.05, 1024])
def test_every_limit_gives_the_image_that_was_asked_for(memory_mb: float) -> None:
    network, lq = Ramp(), torch.stack([torch.zeros(3, 2, 2), torch.full((3, 2, 2), 0.5)])
    image = upscale(network, lq, (9, 14), memory_mb)
    assert image.shape == (2, 3, 9, 14)
    for sample, base in enumerate((0, 0.5)):
        for i, j in ((0, 0), (3, 8), (8, 13)):
            truth = [base - 1 + (2 * i + 1) / 9, base - 1 + (2 * j + 1) / 14, base + 4 / (9 * 14)]
            assert image[sample, :, i, j].tolist() == pytest.approx(truth, abs=1e-6)
    assert network.encoded == 1


@pytest.mark.parametrize("batch", [1, 3])
def test_chunks_keep_within_the_memory_and_use_it(batch: int) -> None:
    network = Ramp()
    upscale(network, torch.zeros(batch, 3, 2, 2), (40, 50), memory_mb=0.25)
    allowed = 0.25 * 2**20
    assert sum(network.asked) == 2000
    assert len(network.asked) > 1
    assert max(network.asked) * batch * 4 * network.floats_per_query <= allowed
    assert (max(network.asked) + 1) * batch * 4 * network.floats_per_query > allowed


def test_nothing_is_kept_for_a_gradient() -> None:
    assert not upscale(Ramp(), torch.zeros(1, 3, 2, 2, requires_grad=True), (3, 3)).requires_grad


@pytest.mark.parametrize(
    ("size", "memory"), [
        ((0, 4), 1), ((4, -1), 1), ((4, 4), 0), ((4, 4), -3), (2.0, 1), ([2.0], 1), ((4.5, 4), 1), (("4", 4), 1),
        ((4, 4), "1"),
    ],
)  # fmt: skip
def test_an_empty_image_and_no_memory_are_refused(size: Any, memory: float) -> None:
    with pytest.raises(ValueError, match=re.escape(f"at least 1x1 and memory above 0 MB, got {size}, {memory!r}")):
        upscale(Ramp(), torch.zeros(1, 3, 2, 2), size, memory)


@pytest.mark.parametrize(("lq", "got"), [
    (torch.full((1, 3, 2, 2), 255.0), "values from 255 to 255"), (-torch.ones(1, 3, 2, 2), "values from -1 to -1"),
    (torch.full((1, 3, 2, 2), torch.nan), "values from nan"), (torch.zeros(1, 3, 2, 2).byte(), "torch.uint8"),
    (np.zeros((1, 3, 2, 2), np.float32), "ndarray"), (torch.zeros(0, 3, 2, 2), "(0, 3, 2, 2)"),
])  # fmt: skip
def test_lr_that_is_no_batch_of_images_is_refused(lq: Any, got: str) -> None:
    with pytest.raises(ValueError, match=f"expected LR .*got {re.escape(got)}"):
        upscale(Ramp(), lq, (4, 4))
