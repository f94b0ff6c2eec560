"""How long the parts of a step take, without making the GPU wait."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch


class Stopwatch:
    """Sums the time of named parts over the last steps. On a GPU the parts are timed by events, read when asked."""

    def __init__(self, device: torch.device, remembered: int = 200) -> None:
        self._cuda = device.type == "cuda"
        self._remembered = remembered
        self._times: dict[str, deque[Callable[[], float]]] = {}

    @contextmanager
    def measure(self, part: str) -> Iterator[None]:
        """Time what happens inside the block, on the current stream."""
        kept = self._times.setdefault(part, deque(maxlen=self._remembered))
        if self._cuda:
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            yield
            end.record()
            kept.append(lambda: _elapsed(start, end))
        else:
            begin = time.perf_counter()
            yield
            seconds = time.perf_counter() - begin
            kept.append(lambda: seconds)

    def share(self, part: str) -> float:
        """Part of the whole time, 0 to 1, that ``part`` took since this was last asked; forgets all times."""
        sums = {name: sum(read() for read in kept) for name, kept in self._times.items()}
        self._times.clear()
        total = sum(sums.values())
        return sums.get(part, 0.0) / total if total else 0.0


def _elapsed(start: torch.cuda.Event, end: torch.cuda.Event) -> float:
    end.synchronize()
    return start.elapsed_time(end) / 1000
