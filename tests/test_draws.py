"""Draws depend on seed, epoch and position alone."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch

from degflow_aug.draws import DrawSampler, SampleDraw, fresh_seed, resolve_draw


class Ten:
    accepts_draws = True

    def __init__(self, size: int = 10) -> None:
        self.size = size

    def __len__(self) -> int:
        return self.size


class Plain(Ten):
    accepts_draws = False


@pytest.mark.parametrize(("size", "ratio", "ranks"), [(10, 1, 1), (10, 3, 1), (10, 2, 4), (7, 1, 3), (3, 100, 8)])
def test_ranks_share_the_draws_of_one_process(size: int, ratio: int, ranks: int) -> None:
    parts = [list(DrawSampler(Ten(size), ranks, rank, ratio, seed=5)) for rank in range(ranks)]
    assert {len(part) for part in parts} == {-(-size * ratio // ranks)}
    whole = [draw for group in zip(*parts, strict=True) for draw in group]
    assert len({draw.seed for draw in whole}) == len(whole)
    counts = Counter(draw.scene for draw in whole)
    assert set(counts) == set(range(size))
    assert max(counts.values()) - min(counts.values()) <= 1
    if len(whole) == size * ratio:
        assert whole == list(DrawSampler(Ten(size), 1, 0, ratio, seed=5))


@pytest.mark.parametrize(("ratio", "ranks"), [(0.5, 1), (1.5, 1), (0.25, 3), (2.3, 2)])
def test_an_epoch_that_is_no_whole_number_of_times_the_dataset_leaves_nothing_out_for_good(
    ratio: float, ranks: int
) -> None:
    counts = Counter[int]()
    for rank in range(ranks):
        sampler = DrawSampler(Ten(), ranks, rank, ratio, seed=5)
        for epoch in range(400):
            sampler.set_epoch(epoch)
            drawn = [draw.scene for draw in sampler]
            assert len(drawn) == math.ceil(10 * ratio / ranks) == len(sampler)
            counts.update(drawn)
    mean = sum(counts.values()) / 10
    # Six standard deviations of draws that are all alike, of which those of an epoch are at most as uneven.
    assert all(abs(counts[scene] - mean) < 6 * (2 * mean) ** 0.5 for scene in range(10))


def test_epochs_and_seeds_differ_and_repeat() -> None:
    sampler = DrawSampler(Ten(), 1, 0, 4, seed=1)
    first = list(sampler)
    sampler.set_epoch(1)
    second = list(sampler)
    sampler.set_epoch(0)
    assert list(sampler) == first != second
    assert list(DrawSampler(Ten(), 1, 0, 4, seed=2)) != first


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_a_resumed_epoch_goes_on_where_it_stopped(rank: int) -> None:
    sampler = DrawSampler(Ten(), 3, rank, 4)
    sampler.set_epoch(2)
    whole = list(sampler)
    sampler.resume_at(2, 5)
    assert list(sampler) == whole[5:]
    sampler.resume_at(2, len(whole))
    assert list(sampler) == []
    sampler.set_epoch(3)
    assert len(list(sampler)) == len(whole)


@pytest.mark.parametrize("rank", [0, 1])
def test_an_epoch_can_end_early(rank: int) -> None:
    sampler = DrawSampler(Ten(), 2, rank, 4)
    whole = list(sampler)
    sampler.stop_after(7)
    assert list(sampler) == whole[:7]
    sampler.resume_at(0, 5)
    assert list(sampler) == whole[5:7]


def test_other_datasets_get_the_plain_index() -> None:
    draws = list(DrawSampler(Ten(), 1, 0, 2, seed=3))
    assert list(DrawSampler(Plain(), 1, 0, 2, seed=3)) == [draw.scene for draw in draws]


def test_an_empty_dataset_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one sample"):
        DrawSampler(Ten(0), 1, 0)


def test_a_plain_index_is_seeded_by_torch() -> None:
    torch.manual_seed(0)
    first, second = resolve_draw(4), resolve_draw(4)
    assert first.scene == second.scene == 4
    assert first.seed != second.seed
    torch.manual_seed(0)
    assert resolve_draw(4) == first
    assert resolve_draw(SampleDraw(2, 9)) == (2, 9)
    assert resolve_draw((2, 9)) == SampleDraw(2, 9)  # type: ignore[arg-type]


@pytest.mark.parametrize("variable", ["RANK", "LOCAL_RANK"])
def test_fresh_seeds_repeat_under_torch_manual_seed_and_differ_by_rank(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RANK", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)

    def seeds(rank: str) -> list[int]:
        monkeypatch.setenv(variable, rank)
        torch.manual_seed(0)
        return [fresh_seed(), resolve_draw(0).seed]

    found = [seeds(rank) for rank in ("", "0", "1", "2", "x")]
    assert found[0] == found[1] == found[4]
    assert len({seed for each in found for seed in each}) == 6
    # PyTorch's generators on a CPU start from the lower half of a seed.
    assert len({seed % 2**32 for each in found for seed in each}) == 6
    assert all(0 <= seed < 2**62 for each in found for seed in each)
