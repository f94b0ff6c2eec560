"""Progress of long work: a bar on a terminal, one line a minute elsewhere."""

from __future__ import annotations

import math
import sys
import time

from tqdm import tqdm

LINE_SECONDS = 60.0


class Progress:
    """Shows (stage, done, total, loss) as it comes; use as a context manager."""

    def __init__(self) -> None:
        self.bar: tqdm | None = None  # type: ignore[type-arg]
        self.stage = ""
        self.began = self.last_line = time.monotonic()
        self.first = 0

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exception: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def __call__(self, stage: str, done: int, total: int, loss: float) -> None:
        """Take the state of the work."""
        if stage != self.stage:
            self._begin(stage, done, total)
        if self.bar is not None:
            self.bar.total = total
            self.bar.update(done - self.bar.n)
            if not math.isnan(loss):
                self.bar.set_postfix(loss=f"{loss:.4f}")
            return
        now = time.monotonic()
        if now - self.last_line >= LINE_SECONDS or done == total:
            self.last_line = now
            print(self._line(done, total, loss), file=sys.stderr, flush=True)

    def _begin(self, stage: str, done: int, total: int) -> None:
        if self.bar is not None:
            self.bar.close()
        self.stage, self.first, self.began = stage, done, time.monotonic()
        self.bar = tqdm(total=total, initial=done, desc=stage, unit="it") if sys.stderr.isatty() else None

    def _line(self, done: int, total: int, loss: float) -> str:
        worked = time.monotonic() - self.began
        left = worked / max(done - self.first, 1) * (total - done)
        shown = "" if math.isnan(loss) else f", loss {loss:.4f}"
        return f"{self.stage}: {done}/{total}{shown}, {left / 60:.1f} minutes left"
