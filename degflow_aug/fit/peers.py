"""The processes that fit one camera together, as torchrun starts them: what they wait for, and what they agree on."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist

from degflow_aug.compat.devices import init_dist
from degflow_aug.models.training import interrupt

# A pipeline is fitted by the first process alone, for as long as that takes.
PATIENCE = timedelta(days=7)


class Peers:
    """One process among ``world``; each decides from the same numbers, so that all take the same steps.

    The numbers are exchanged on the CPU, where nobody waits for a GPU.

    Attributes:
        rank: its number; the first, 0, is the one that writes.
        world: how many there are.
    """

    def __init__(self, group: dist.ProcessGroup | None = None) -> None:
        self._group = group
        self.rank, self.world = (0, 1) if group is None else (dist.get_rank(group), dist.get_world_size(group))

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    def wait(self) -> None:
        """Go on when all are here: what the first has written is there then."""
        if self._group is not None:
            dist.barrier(self._group)

    def of_first(self, value: float) -> float:
        """The first one's value."""
        return self._reduced([value if self.first else 0.0], dist.ReduceOp.SUM)[0]

    def least(self, value: int) -> int:
        """The smallest of all values."""
        return int(self._reduced([float(value)], dist.ReduceOp.MIN)[0])

    def after_step(self, seconds: float) -> tuple[float, int]:
        """The first one's clock, and the signal that has reached one of the processes, or 0."""
        asked = float(interrupt.requested() or 0)
        seconds, asked = self._reduced([seconds if self.first else 0.0, asked], dist.ReduceOp.MAX)
        return seconds, int(asked)

    def _reduced(self, values: list[float], how: dist.ReduceOp.RedOpType) -> list[float]:
        if self._group is None:
            return values
        shared = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(shared, how, self._group)
        return [float(value) for value in shared]


@contextmanager
def together(world: int, device: torch.device) -> Iterator[Peers]:
    """Join the processes that torchrun has started, as ``degflow train`` does; one alone joins nobody.

    Args:
        world: how many there are.
        device: that of the networks.
    """
    if world < 2:
        yield Peers()
        return
    init_dist("pytorch", "gloo" if device.type == "cpu" else None)
    try:
        group = dist.new_group(timeout=PATIENCE, backend="gloo")
        assert isinstance(group, dist.ProcessGroup)
        yield Peers(group)
    finally:
        # A model that still holds the group keeps gloo's threads alive, which abort when the interpreter ends.
        gc.collect()
        dist.destroy_process_group()
