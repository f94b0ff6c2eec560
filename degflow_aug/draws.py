"""Which sample is drawn when, and with which seed, so that neither a resumed run nor another process repeats it."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch.utils.data import Sampler


class SampleDraw(NamedTuple):
    """One draw from a dataset: which scene, and the seed of every random choice made for it."""

    scene: int
    seed: int


def fresh_seed() -> int:
    """Draw a seed from torch's global stream, apart from those of the other ranks.

    ``torch.manual_seed`` makes it repeat. DataLoader seeds that stream per worker and epoch; ranks often share a seed,
    so theirs are told apart by their number.
    """
    drawn = int(torch.randint(2**62, (), device="cpu").item())
    return (drawn + 0x9E3779B97F4A7C15 * rank_of_process()) % 2**62


_told_rank = 0


def rank_of_process() -> int:
    """Return the number of this process, or of the one that it loads data for, among those that train together."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank()
    # Workers that are not forked know it from torchrun, from Lightning, which has no RANK, or from what they unpickle.
    said = os.environ.get("RANK") or os.environ.get("LOCAL_RANK") or ""
    return int(said) if said.isdecimal() else _told_rank


def tell_rank(rank: int) -> None:
    """Say for which rank this process works, where nothing else says it."""
    global _told_rank
    _told_rank = rank


def resolve_draw(index: int | SampleDraw) -> SampleDraw:
    """Give a plain index, as other samplers do, a seed of its own; see :func:`fresh_seed`."""
    if isinstance(index, tuple):
        return SampleDraw(*index)
    return SampleDraw(index, fresh_seed())


class DrawSampler(Sampler[Any]):
    """Endless shuffles of a dataset, sharded over ranks, that can start in the middle of an epoch.

    Takes the place of BasicSR's ``EnlargedSampler`` (same arguments). Every random choice is a function of
    (seed, epoch, position), so it does not matter which worker makes it or how often the run was interrupted.
    Datasets that set ``accepts_draws = True`` get a :class:`SampleDraw`; others get the plain index.
    """

    def __init__(self, dataset: Any, num_replicas: int, rank: int, ratio: float = 1, *, seed: int = 0) -> None:
        self.dataset_size = len(dataset)
        self.accepts_draws = bool(getattr(dataset, "accepts_draws", False))
        self.num_replicas, self.rank, self.seed = num_replicas, rank, seed
        if self.dataset_size == 0:
            raise ValueError("expected a dataset with at least one sample, got an empty one")
        self.num_samples = math.ceil(self.dataset_size * ratio / num_replicas)
        self.total_size = self.num_samples * num_replicas
        # An epoch that is no whole number of times the dataset is cut from one that is, so that all come up alike.
        self.shuffled = max(self.total_size, self.dataset_size * math.ceil(ratio))
        self.epoch = 0
        self._resume: tuple[int, int] | None = None
        self._stop: int | None = None

    def set_epoch(self, epoch: int) -> None:
        """Choose the shuffle of this epoch."""
        self.epoch = epoch

    def resume_at(self, epoch: int, consumed: int) -> None:
        """Skip the first ``consumed`` draws of this rank in ``epoch``; other epochs are whole."""
        self._resume = (epoch, consumed)

    def stop_after(self, draws: int) -> None:
        """End every epoch after that many draws of this rank, for runs that are one epoch long."""
        self._stop = draws

    def __len__(self) -> int:
        return self.num_samples

    def __iter__(self) -> Iterator[int | SampleDraw]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        order = torch.randperm(self.shuffled, generator=generator)
        seeds = torch.randint(2**62, (self.total_size,), generator=generator)
        start = self._resume[1] if self._resume and self._resume[0] == self.epoch else 0
        end = self.total_size if self._stop is None else min(self.total_size, self._stop * self.num_replicas)
        for position in range(self.rank + start * self.num_replicas, end, self.num_replicas):
            scene = int(order[position]) % self.dataset_size
            yield SampleDraw(scene, int(seeds[position])) if self.accepts_draws else scene
