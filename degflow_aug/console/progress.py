"""Progress of long work on stderr: a bar on a terminal, a line a minute elsewhere, nothing for what is done at once."""

from __future__ import annotations

import functools
import math
import os
import sys
from collections.abc import Iterable, Sized
from typing import Any, TextIO, TypeVar

from degflow_aug.console.plain_text import one_line

Item = TypeVar("Item")

DELAY = 3.0
"""Seconds that work has to take before it is shown."""
LINE_SECONDS = 60.0
_LINE = "{desc}: {n_fmt}/{total_fmt} [{elapsed}<{remaining}, {rate_fmt}{postfix}]"


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
        self.stage = ""
        self.bar: Any = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End the stage that is shown."""
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
        if self.bar is None or stage != self.stage or done < self.bar.n:
            self.close()
            self.stage, self.bar = stage, _bar(None, stage, self.unit, total, done, self.shown)
        self.bar.total = total or None
        if not math.isnan(loss):
            self.bar.set_postfix_str(f"loss={loss:.4f}", refresh=False)
        self.bar.update(done - self.bar.n)


def track(
    items: Iterable[Item], stage: str, unit: str = "it", *, total: int = 0, done: int = 0, shown: bool = True
) -> Iterable[Item]:
    """Pass the items on, and show the progress through them.

    Args:
        items: read once.
        stage: what the bar or line is called.
        unit: what one item is.
        total: how many there are with those done before; by default ``done`` and the length of ``items``.
        done: how many an earlier run has done.
        shown: as for :class:`Progress`.
    """
    known = len(items) + done if isinstance(items, Sized) else 0
    bar: Iterable[Item] = _bar(items, stage, unit, total or known, done, shown)
    return bar


def note(sentence: str) -> None:
    """Say ``sentence`` on stderr, as ``degflow`` does, above a bar where there is one."""
    # tqdm would make a lock that outlives a fork; where there is no bar there is nothing to lock.
    write = _bar_class().write if sys.stderr.isatty() else print
    write(one_line(f"degflow: {sentence}"), file=sys.stderr)


@functools.cache
def _bar_class() -> Any:
    """tqdm's bar, imported when there is one to show: help must not wait for it."""
    from tqdm import tqdm

    # The thread that tqdm has for bars that wait long between updates would be in the way of forks.
    return type("Bar", (tqdm,), {"monitor_interval": 0})


def _bar(items: Iterable[Any] | None, stage: str, unit: str, total: int, done: int, shown: bool) -> Any:
    if sys.stderr.isatty():
        look: dict[str, Any] = {"file": sys.stderr, **_size()}
    else:
        look = {"file": _Lines(sys.stderr), "mininterval": LINE_SECONDS, "bar_format": _LINE}
    return _bar_class()(
        items,
        desc=one_line(stage),
        unit=unit,
        total=total or None,
        initial=done,
        disable=not shown,
        delay=DELAY,
        miniters=1,
        **look,
    )


def _size() -> dict[str, int]:
    """Give a size to terminals that report none, on which tqdm would show nothing."""
    try:
        known = os.get_terminal_size(sys.stderr.fileno()).columns > 0
    except OSError:
        known = False
    return {} if known else {"ncols": 100, "nrows": 24}


class _Lines:
    """A file that gets each state of a bar as a line of its own, for logs."""

    def __init__(self, file: TextIO) -> None:
        self.file = file

    def write(self, text: str) -> None:
        """Write without the carriage return and the padding of a bar."""
        if text.strip():
            self.file.write(f"{text.strip()}\n")

    def flush(self) -> None:
        """Flush."""
        self.file.flush()
