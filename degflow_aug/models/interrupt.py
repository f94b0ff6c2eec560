"""Ctrl-C and SIGTERM during training: finish the step, save, then stop; a second one stops at once."""
from __future__ import annotations

import os
import signal
import threading
from types import FrameType

_NOTICE = b"\ndegflow: saving after this step; once more stops at once, without saving\n"


class Interrupt:
    """Takes SIGINT and SIGTERM, and remembers the first of them for whoever asks between two steps."""

    def __init__(self) -> None:
        self._requested: int | None = None
        self._previous: dict[int, object] = {}

    def install(self) -> None:
        """Take both signals and forget an earlier one; outside the main thread, where signals cannot be taken, nothing."""
        self._requested = None
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.SIGINT, signal.SIGTERM):
            previous = signal.signal(number, self._handle)
            self._previous.setdefault(number, previous)

    def uninstall(self) -> None:
        """Give both signals back to whoever had them."""
        for number, previous in self._previous.items():
            signal.signal(number, previous)  # type: ignore[arg-type]
        self._previous.clear()

    def requested(self) -> int | None:
        """Number of the signal that asks training to stop, or None."""
        return self._requested

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._requested is not None:
            raise stop(number)
        self._requested = number
        # Printing may be what the signal has interrupted, and is not reentrant.
        os.write(2, _NOTICE)


def stop(number: int) -> BaseException:
    """What ends a program that this signal has stopped: KeyboardInterrupt, or SystemExit(143) for SIGTERM."""
    return KeyboardInterrupt() if number == signal.SIGINT else SystemExit(128 + number)


_interrupt = Interrupt()
install, uninstall, requested = _interrupt.install, _interrupt.uninstall, _interrupt.requested
