"""Progress of long work on stderr: a bar on a terminal, a line a minute elsewhere, nothing for what is done at once."""

from __future__ import annotations

import functools
import math
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import Any, TypeVar

Item = TypeVar("Item")

DELAY = 3.0
"""Seconds that work has to take before it is shown."""
LINE_SECONDS = 60.0
_LINE = "{desc}: {n_fmt}/{total_fmt} [{elapsed}<{remaining}, {rate_fmt}{postfix}]"


@functools.cache
def _bar_class() -> Any:
    """tqdm's bar, imported when there is one to show: help must not wait for it."""
    from tqdm import tqdm

    # The thread that tqdm has for bars that wait long between updates would be in the way of forks.
    return type("Bar", (tqdm,), {"monitor_interval": 0})


class _Minute:
    """When the last line was written, whatever it was about: one a minute is enough for a process."""

    def __init__(self) -> None:
        self.last = time.monotonic()

    def has_passed(self, now: float) -> bool:
        return now - self.last >= LINE_SECONDS


_minute = _Minute()


class Progress:
    """Shows (stage, done, total, loss) as it comes; use as a context manager.

    Rate and time left are those of the work that is seen: what was done before the first call of a stage, by an
    interrupted run, counts as done and not as fast.

    Args:
        unit: of what is counted.
        shown: say nothing otherwise, as all but one of several processes should.
    """

    def __init__(self, unit: str = "it", *, shown: bool = True) -> None:
        self.unit, self.shown = unit, shown
        self.bar: Any = None
        self.stage = ""
        self.first = self.done = 0
        self.began = time.monotonic()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End the stage that is shown."""
        self.stage = ""
        if self.bar is not None:
            self.bar.close()
            self.bar = None

    def __call__(self, stage: str, done: int, total: int, loss: float = math.nan) -> None:
        """Take the state of the work.

        Args:
            stage: another one than before begins anew, as does one of which less is done than before.
            done, total: counted in units; a total of 0 is not known.
            loss: shown beside them, unless it is NaN.
        """
        if not self.shown:
            return
        if stage != self.stage or done < self.done:
            self._begin(stage, done, total)
        self.done = done
        said = "" if math.isnan(loss) else f"loss={loss:.4f}"
        if self.bar is not None:
            self.bar.total = total or None
            if said:
                self.bar.set_postfix_str(said, refresh=False)
            self.bar.update(done - self.bar.n)
            return
        now = time.monotonic()
        if now - self.began >= DELAY and _minute.has_passed(now):
            _minute.last = now
            print(self._line(done, total, now - self.began, said), file=sys.stderr, flush=True)

    def _begin(self, stage: str, done: int, total: int) -> None:
        self.close()
        self.stage, self.first, self.began = stage, done, time.monotonic()
        if sys.stderr.isatty():
            self.bar = _bar_class()(
                total=total or None, initial=done, desc=stage, unit=self.unit, delay=DELAY, miniters=1,
                file=sys.stderr, **_size(),
            )  # fmt: skip

    def _line(self, done: int, total: int, seconds: float, said: str) -> str:
        return str(
            _bar_class().format_meter(
                done, total or None, seconds, prefix=self.stage, unit=self.unit, initial=self.first, bar_format=_LINE,
                postfix=said,
            )
        )  # fmt: skip


def track(
    items: Iterable[Item], stage: str, unit: str = "it", *, total: int = 0, done: int = 0, shown: bool = True
) -> Iterator[Item]:
    """The items, with the progress through them shown.

    Args:
        items: read once.
        stage: what the bar or line is called.
        unit: what one item is.
        total: how many there are with those done before; by default ``done`` and the length of ``items``.
        done: how many an earlier run has done.
        shown: as for :class:`Progress`.
    """
    if not total and isinstance(items, Sized):
        total = done + len(items)
    with Progress(unit, shown=shown) as progress:
        progress(stage, done, total)
        for count, item in enumerate(items, done + 1):
            yield item
            progress(stage, count, total)


def _size() -> dict[str, int]:
    """A size for terminals that say they have none, on which tqdm would show nothing; nothing for all others."""
    try:
        known = os.get_terminal_size(sys.stderr.fileno()).columns > 0
    except OSError:
        known = False
    return {} if known else {"ncols": 100, "nrows": 24}


def note(sentence: str) -> None:
    """Say ``sentence`` on stderr, as ``degflow`` does, above a bar where there is one."""
    # tqdm would make a lock that outlives a fork; where there is no bar there is nothing to lock.
    write = _bar_class().write if sys.stderr.isatty() else print
    write(f"degflow: {sentence}", file=sys.stderr)
