"""Scales are dense where views change: against the closed form of a known law of change."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from degflow_aug.commands.preview.changing_scales import candidate_scales, evenly_changing, view_changes
from degflow_aug.degradations.base import Degradation
from degflow_aug.degradations.bicubic import Bicubic
from degflow_aug.degradations.grid import to_lr_grid


class Fading(Degradation):
    """Views that grow darker by a known law of s."""

    def render(self, hr: torch.Tensor, scale: float) -> torch.Tensor:
        return hr * math.exp(-(scale - 1))

    def forward(self, hr: torch.Tensor, scale: float) -> torch.Tensor:
        return to_lr_grid(self.render(hr, scale), scale)


@pytest.mark.parametrize(("low", "high"), [(1.0, 2.9), (1.0, 4.0), (1.5, 1.6)])
def test_candidates_keep_both_ends_and_rise(low: float, high: float) -> None:
    scales = candidate_scales(low, high, 65)
    assert (scales[0], scales[-1]) == (low, high)
    assert all(a < b for a, b in itertools.pairwise(scales))
    assert all(scale == float(f"{scale:.4g}") for scale in scales[1:-1])


def test_changes_are_those_of_the_law() -> None:
    hr, scales, seen = torch.full((1, 3, 16, 16), 0.8), candidate_scales(1, 4, 9), []
    changes = view_changes(Fading(), hr, scales, seen.append)
    levels = [0.8 * 255 * math.exp(-(scale - 1)) for scale in scales]
    np.testing.assert_allclose(changes, -np.diff(levels), rtol=1e-4)
    assert seen == list(range(1, len(scales) + 1))


@pytest.mark.parametrize("count", [5, 9, 17])
def test_shown_scales_change_by_equal_amounts(count: int) -> None:
    scales = candidate_scales(1, 4, 1025)
    levels = np.exp(-(np.array(scales) - 1))
    chosen = evenly_changing(scales, list(-np.diff(levels)), count)
    assert len(chosen) == count
    steps = -np.diff(np.exp(-(np.array(chosen) - 1)))
    assert steps.max() / steps.min() < 1.1
    # Equal steps in the level: its inverse says where they lie.
    expected = 1 - np.log(np.linspace(1, levels[-1], count))
    np.testing.assert_allclose(chosen, expected, atol=6e-3)


def test_scales_that_must_be_there_are() -> None:
    scales = sorted({*candidate_scales(1, 4, 65), 2.0, 2.9})
    changes = view_changes(Bicubic(), torch.rand(1, 3, 32, 32, generator=torch.manual_seed(0)), scales)
    chosen = evenly_changing(scales, changes, 8, always=(2.0, 2.9))
    assert {1.0, 2.0, 2.9, 4.0} <= set(chosen)
    assert len(chosen) == 8
    assert evenly_changing(scales, changes, 2, always=(2.0, 2.9)) == [1.0, 2.0, 2.9, 4.0]


def test_an_image_that_does_not_change_is_shown_along_the_whole_range() -> None:
    scales = candidate_scales(1, 4, 65)
    chosen = evenly_changing(scales, [0.0] * 64, 9)
    assert len(chosen) == 9
    assert np.diff(np.log(chosen)).max() < 0.2


@pytest.mark.parametrize("count", range(2, 10))
def test_there_are_as_many_as_asked_for(count: int) -> None:
    scales = candidate_scales(1, 4, 9)
    changes = [10.0, 0.1, 0.1, 5.0, 0.1, 0.1, 0.1, 0.1]
    chosen = evenly_changing(scales, changes, count)
    assert len(chosen) == count
    assert chosen == sorted(set(chosen))


@pytest.mark.parametrize(("changes", "count"), [([1.0], 3), ([1.0, 1.0], 1)])
def test_what_cannot_be_is_refused(changes: list[float], count: int) -> None:
    with pytest.raises(ValueError, match="expected"):
        evenly_changing([1.0, 2.0, 3.0], changes, count)
