"""The pairs of times of FlowSR's consistency: order, grids, and that every fast time is drawn."""

from __future__ import annotations

import pytest
import torch

from degflow_aug.onestep.flowsr.fast_slow import draw_fast_slow


@pytest.mark.parametrize(("fast", "slow"), [(4, 1000), (1, 10), (5, 5), (8, 64)])
def test_times_are_ordered_on_their_grids(fast: int, slow: int) -> None:
    earlier, later = draw_fast_slow(4000, torch.Generator().manual_seed(0), fast, slow)
    assert earlier.min() >= 0
    assert bool((earlier < later).all())
    assert later.max() <= 1
    on_slow = [(times * slow - (times * slow).round()).abs().max() < 1e-9 for times in (earlier, later)]
    assert all(on_slow)
    on_fast = [(times * fast - (times * fast).round()).abs() < 1e-9 for times in (earlier, later)]
    assert bool((on_fast[0] | on_fast[1]).all())
    reached = {round(time * fast) for time in later[on_fast[1]].tolist()}
    assert reached == set(range(1, fast + 1))


def test_both_ways_are_drawn_alike() -> None:
    earlier, later = draw_fast_slow(8000, torch.Generator().manual_seed(1))
    fast_later = ((later * 4) % 1 == 0).double().mean().item()
    assert fast_later == pytest.approx(0.5, abs=0.03)
    below = later - earlier
    assert below[(later * 4) % 1 != 0].max() <= 0.25


def test_grids_have_to_fit() -> None:
    with pytest.raises(ValueError, match="multiple of 3"):
        draw_fast_slow(1, fast=3, slow=1000)
