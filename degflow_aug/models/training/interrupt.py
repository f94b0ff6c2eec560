"""What ends training early: Ctrl-C and SIGTERM, and a loss that is no longer a number or has run away.

A first Ctrl-C or SIGTERM lets the step finish, saves and stops; a second Ctrl-C stops at once.
A SIGTERM after the first signal changes nothing: torchrun answers Ctrl-C by sending one to every process, which has
had the Ctrl-C already.
"""

from __future__ import annotations

import math
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

ADVICE = "lower train.optim_g.lr or set degflow.grad_clip, then resume from the last checkpoint"
_NOTICE = b"\ndegflow: saving after this step; Ctrl-C once more stops at once, without saving\n"


class TrainingDiverged(ValueError):
    """Training cannot go on; the last checkpoint on disk is from before."""


class DivergenceGuard:
    """Follows the loss; raises where it is not finite, or stays far above the best level it has reached.

    Args:
        factor: how many times the best smoothed loss is far.
        patience: how many losses in a row must be far.
        smoothing: weight of the newest loss in the smoothed one.
    """

    def __init__(self, factor: float = 20.0, patience: int = 50, smoothing: float = 0.05) -> None:
        self.factor, self.patience, self.smoothing = factor, patience, smoothing
        self.smoothed = self.best = math.inf
        self.far = 0

    def check(self, loss: float, iteration: int) -> None:
        """Take the loss of an iteration.

        Raises:
            TrainingDiverged: it is not finite, or the losses have run away.
        """
        self.check_finite(loss, iteration)
        known = math.isfinite(self.smoothed)
        self.smoothed = self.smoothed + self.smoothing * (loss - self.smoothed) if known else loss
        self.best = min(self.best, self.smoothed)
        self.far = self.far + 1 if loss > self.factor * max(self.best, 1e-8) else 0
        if self.far >= self.patience:
            raise TrainingDiverged(
                f"expected a loss near its best of {self.best:.3g}, got {loss:.3g} at iteration {iteration} after "
                f"{self.far} losses more than {self.factor:g} times that; {ADVICE}"
            )

    def check_finite(self, loss: float, iteration: int) -> None:
        """Raise TrainingDiverged if the loss is not a number."""
        if not math.isfinite(loss):
            raise TrainingDiverged(f"expected a finite loss, got {loss} at iteration {iteration}; {ADVICE}")


class Interrupt:
    """Takes SIGINT and SIGTERM, and remembers the first of them for whoever asks between two steps."""

    def __init__(self) -> None:
        self._requested: int | None = None
        self._previous: dict[int, object] = {}
        self._owner = 0
        self._save: Callable[[], None] | None = None

    def install(self) -> None:
        """Take both signals and forget an earlier one; does nothing outside the main thread, which alone may."""
        self._requested = self._save = None
        self._owner = os.getpid()
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.SIGINT, signal.SIGTERM):
            previous = signal.signal(number, self._handle)
            self._previous.setdefault(number, previous)

    def uninstall(self) -> None:
        """Give both signals back to whoever had them, and forget that one came."""
        for number, previous in self._previous.items():
            signal.signal(number, previous)  # type: ignore[arg-type]
        self._previous.clear()
        self._requested = self._save = None

    def on_stop(self, save: Callable[[], None]) -> None:
        """Call ``save`` where a signal or a failure breaks off the work between two steps."""
        self._save = save

    @contextmanager
    def stoppable(self) -> Iterator[None]:
        """Take both signals inside the block; what they break off there is saved and ends as :func:`stop` says.

        A signal to the whole group also ends the workers of a DataLoader, so that the next batch never comes. A failure
        without a signal is raised as it is, after what was trained before it has been saved; weights that training
        has found to be no good are not.
        """
        self.install()
        try:
            yield
        except TrainingDiverged:
            raise
        except Exception:
            number = self._requested
            if number is None:
                if self._save is not None:
                    # What has failed first is what there is to tell.
                    with suppress(Exception):
                        self._save()
                raise
            if self._save is not None:
                self._save()
            raise stop(number) from None
        finally:
            self.uninstall()

    def requested(self) -> int | None:
        """Number of the signal that asks training to stop, or None."""
        return self._requested

    def check(self, *, saving: bool = False) -> None:
        """Stop here where a signal has asked for it; for long work between two steps.

        Args:
            saving: save before, as :meth:`on_stop` says.

        Raises:
            KeyboardInterrupt, SystemExit: see :func:`stop`.
        """
        if self._requested is not None:
            if saving and self._save is not None:
                self._save()
            raise stop(self._requested)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._owner:
            self._handle_in_worker(number)
        elif self._requested is None:
            self._requested = number
            self._ignore_the_end_of_workers()
            # Printing may be what the signal has interrupted, and is not reentrant.
            with suppress(OSError):
                os.write(2, _NOTICE)
        elif number == signal.SIGINT:
            raise stop(number)

    def _ignore_the_end_of_workers(self) -> None:
        """A signal to the whole group ends a DataLoader's workers, whose SIGCHLD handler would break off the step."""
        if hasattr(signal, "SIGCHLD"):
            # A function and not SIG_DFL: Python complains of a signal that has come already and has no handler now.
            self._previous.setdefault(signal.SIGCHLD, signal.signal(signal.SIGCHLD, lambda number, frame: None))

    @staticmethod
    def _handle_in_worker(number: int) -> None:
        """In a process forked from this one: Ctrl-C reaches it too, but the step still needs its images."""
        if number != signal.SIGINT:
            raise stop(number)


def stop(number: int) -> BaseException:
    """What ends a program that this signal has stopped: KeyboardInterrupt, or SystemExit(143) for SIGTERM."""
    return KeyboardInterrupt() if number == signal.SIGINT else SystemExit(128 + number)


_interrupt = Interrupt()
install, uninstall, requested = _interrupt.install, _interrupt.uninstall, _interrupt.requested
check = _interrupt.check
on_stop, stoppable = _interrupt.on_stop, _interrupt.stoppable
