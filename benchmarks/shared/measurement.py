"""Times of several methods with their repetitions interleaved.

Whatever else the machine does meanwhile, and the clock of a GPU that warms up, falls on all methods alike.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import torch

Call = Callable[[], object]
Method = Callable[[int], Call]
"""Prepares a repetition, untimed, by its number; what it returns is timed."""

NO_TIME = "no time left"


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
        seconds: of all repetitions of a round of methods together.
        longest: a method whose call takes longer is left out.
        least, most: repetitions a method.
        warm_up: calls before them; the last one tells how long a call takes. The first may compile.
        until: of ``time.monotonic``; nothing new is begun after it.
    """

    seconds: float = 20.0
    longest: float = 20.0
    least: int = 3
    most: int = 100
    warm_up: int = 1
    until: float = float("inf")


class TooLong(Exception):
    """A call has seen by itself that it takes longer than allowed."""


def measure(call: Call, device: torch.device) -> float:
    """Seconds of a call, until the device has done all of it."""
    if device.type != "cuda":
        begin = time.perf_counter()
        call()
        return time.perf_counter() - begin
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize(device)
    start.record()
    call()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) / 1000


def interleaved(
    methods: Mapping[str, Method], device: torch.device, plan: Plan, at_least: Mapping[str, int] | None = None
) -> dict[str, Timing]:
    """Times of the methods, each called at intervals over the whole of the measurement.

    The time is shared out evenly; the number of repetitions that follows for a method is spread over all rounds.
    ``at_least`` names methods that are to have more repetitions than ``plan.least`` whatever they take.
    """
    timings = {name: Timing() for name in methods}
    first = {name: _warm_up(method, timings[name], device, plan) for name, method in methods.items()}
    taking_part = [name for name in methods if not timings[name].skipped]
    share = plan.seconds / max(1, len(taking_part))
    least = {name: max(plan.least, (at_least or {}).get(name, 0)) for name in taking_part}
    counts = {name: repetitions(share, first[name], least[name], plan.most) for name in taking_part}
    for names in rounds(counts):
        if time.monotonic() > plan.until:
            break
        for name in names:
            _repeat(methods[name], timings[name], device)
    for timing in timings.values():
        timing.skipped = timing.skipped or ("" if timing.seconds else NO_TIME)
    return timings


def _repeat(method: Method, timing: Timing, device: torch.device) -> None:
    if timing.skipped:
        return
    try:
        timing.seconds.append(measure(method(len(timing.seconds)), device))
    except TooLong as reason:
        timing.seconds, timing.skipped = [], str(reason)


def repetitions(share: float, seconds: float, least: int, most: int) -> int:
    """How often a call of that length fits into a share of the time, within limits."""
    return max(least, min(most, int(share / max(seconds, 1e-9))))


def rounds(counts: Mapping[str, int]) -> Iterator[list[str]]:
    """Who is called in each round, such that every method is called as often as it should, at even intervals."""
    total = max(counts.values(), default=0)
    for number in range(total):
        yield [name for name, count in counts.items() if (number + 1) * count // total > number * count // total]


def _warm_up(method: Method, timing: Timing, device: torch.device, plan: Plan) -> float:
    """Call it before it is timed; returns the last time."""
    seconds = 0.0
    try:
        for number in range(plan.warm_up):
            if time.monotonic() > plan.until:
                timing.skipped = NO_TIME
                break
            seconds = measure(method(number), device)
            if seconds > plan.longest and (number or plan.warm_up == 1):
                raise TooLong(f"{seconds:.3g} s a call")
    except TooLong as reason:
        timing.skipped = str(reason)
    except torch.cuda.OutOfMemoryError:
        timing.skipped = "out of memory"
        torch.cuda.empty_cache()
    return seconds


def medians(calls: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median time of each call in ms on a CPU, all of them in turn in every round, after one that does not count."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for index in range(rounds + 1):
        for name, call in calls.items():
            began = time.perf_counter()
            call()
            if index:
                times[name].append(1e3 * (time.perf_counter() - began))
    return {name: statistics.median(values) for name, values in times.items()}
