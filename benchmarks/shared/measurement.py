"""Measure several methods in turns: whatever else the machine does meanwhile falls on all of them alike."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch.utils.benchmark import Timer

Call = Callable[[], object]
Method = Callable[[int], Call]
"""Prepares a repetition, untimed, by its number; what it returns is timed."""

NO_TIME = "no time left"
ROUNDS = 3


@dataclass
class Timing:
    """Seconds of each repetition, or why there are none."""

    seconds: list[float] = field(default_factory=list)
    skipped: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def mean(self) -> float:
        return statistics.fmean(self.seconds)


@dataclass(frozen=True)
class Plan:
    """How long to measure.

    Attributes:
        seconds: of all repetitions of a set of methods together.
        longest: a method whose call takes longer is left out.
        warm_up: calls before them; the last one tells how long a call takes. The first may compile.
        until: of ``time.monotonic``; nothing new is begun after it.
    """

    seconds: float = 20.0
    longest: float = 20.0
    warm_up: int = 1
    until: float = float("inf")


class TooLong(Exception):
    """A call has seen by itself that it takes longer than allowed."""


def in_turns(
    methods: Mapping[str, Method], device: torch.device, plan: Plan, at_least: Mapping[str, int] | None = None
) -> dict[str, Timing]:
    """Time the methods in ``ROUNDS`` turns, each of which is a method's share of ``plan.seconds``.

    ``at_least`` names methods that are to have so many repetitions whatever they take.
    """
    timings, lengths = {name: Timing() for name in methods}, {}
    for name, method in methods.items():
        try:
            lengths[name] = _warm_up(method, device, plan)
        except (TooLong, torch.cuda.OutOfMemoryError) as reason:
            timings[name].skipped = str(reason) if isinstance(reason, TooLong) else "out of memory"
    timers = {name: _timer(methods[name]) for name in lengths}
    for name in [name for _ in range(ROUNDS) for name in timers]:
        timing, wanted = timings[name], (at_least or {}).get(name, 0) * lengths[name]
        if timing.skipped or (time.monotonic() > plan.until and timing.seconds):
            continue
        try:
            share = max(plan.seconds / len(timers), wanted) / ROUNDS
            timing.seconds += timers[name].blocked_autorange(min_run_time=max(share, 1e-9)).times
        except TooLong as reason:
            timing.seconds, timing.skipped = [], str(reason)
    return timings


def once(call: Call, device: torch.device) -> float:
    """Seconds of a single call, until the device has done all of it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    begin = time.perf_counter()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - begin


def peak_megabytes(method: Method, device: torch.device) -> float | None:
    """The most memory that PyTorch's allocator held during a call on a GPU beyond that before it; None on a CPU."""
    if device.type != "cuda":
        return None
    call = method(0)
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    call()
    torch.cuda.synchronize(device)
    return (torch.cuda.max_memory_allocated(device) - before) / 1e6


def _timer(method: Method) -> Timer:
    """Every block of calls is prepared anew; a call of a millisecond or more is a block of its own."""
    numbers = itertools.count()
    names = {"prepare": lambda: method(next(numbers))}
    return Timer("call()", "call = prepare()", globals=names, num_threads=torch.get_num_threads())


def _warm_up(method: Method, device: torch.device, plan: Plan) -> float:
    """Call a method before it is timed; returns the seconds of the last call.

    Raises:
        TooLong: it takes longer than the plan allows, or there is no time left.
    """
    seconds = 0.0
    for number in range(plan.warm_up):
        if time.monotonic() > plan.until:
            raise TooLong(NO_TIME)
        seconds = once(method(number), device)
        if seconds > plan.longest and (number or plan.warm_up == 1):
            raise TooLong(f"{seconds:.3g} s a call")
    return seconds
