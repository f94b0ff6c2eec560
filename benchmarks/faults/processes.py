"""Starts ``degflow`` commands that are to be hurt: forks of a server that has imported everything, so that most of a
command's time is its work, and a random moment of it is one of its work too."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

HUNG = 300.0
"""Seconds after which a command that should have ended is taken for hung."""
Hook = Callable[[], None]


@dataclass
class Started:
    """A command on its way, what it prints in ``log``."""

    process: BaseProcess
    log: Path

    @property
    def pid(self) -> int:
        """Its process id."""
        return int(self.process.pid or 0)

    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self.process.is_alive()

    def kill_after(self, seconds: float) -> bool:
        """``kill -9`` after so many seconds; False where it had ended before."""
        self.process.join(seconds)
        self.process.kill()
        return self.end() == -signal.SIGKILL

    def send_after(self, number: int, seconds: float) -> bool:
        """Send a signal to it and its workers after so many seconds; False where it had ended before."""
        self.process.join(seconds)
        with suppress(ProcessLookupError):
            if self.running():
                os.killpg(self.pid, number)
                return True
        return False

    def workers(self) -> list[int]:
        """Process ids of its children."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        return [int(pid) for pid in children.read_text().split()] if children.exists() else []

    def end(self, seconds: float = HUNG) -> int | None:
        """Wait for its exit code, negative for a signal; None where it hung and had to be killed."""
        self.process.join(seconds)
        if not self.running():
            return self.process.exitcode
        self.process.kill()
        self.process.join()
        return None

    def said(self) -> str:
        """What it has printed."""
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    def complaint(self) -> str:
        """The last line that it has printed."""
        return next(reversed(self.said().split("\n")[:-1]), "")


def start(arguments: Sequence[str], folder: Path, log: Path, hook: Hook | None = None) -> Started:
    """``degflow`` with ``arguments`` in ``folder``; ``hook`` is called in its process first."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["benchmarks.faults.imports"])
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # The server looks for what it imports there alone.
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    process = context.Process(target=_command, args=(list(arguments), folder, log, hook))
    process.start()
    return Started(process, log)


def finish(arguments: Sequence[str], folder: Path, log: Path, hook: Hook | None = None) -> tuple[Started, float]:
    """Run ``degflow`` to its end; the seconds that it took beside it."""
    began = time.monotonic()
    started = start(arguments, folder, log, hook)
    started.end()
    return started, time.monotonic() - began


def close_server() -> None:
    """End the server, which would otherwise live as long as this process."""
    from multiprocessing import forkserver

    forkserver._forkserver._stop()  # type: ignore[attr-defined]


def _command(arguments: list[str], folder: Path, log: Path, hook: Hook | None) -> None:
    os.chdir(folder)
    os.setsid()
    # Its loading processes are forks, as in a command that was typed, and not of another such server.
    multiprocessing.set_start_method("fork", force=True)
    with open(log, "wb") as file:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
            os.dup2(file.fileno(), stream.fileno())
    from degflow_aug.cli import main

    if hook is not None:
        hook()
    sys.exit(main(arguments))
