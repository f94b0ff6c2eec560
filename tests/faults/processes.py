"""Runs ``degflow`` commands as forks of a server that has imported everything, and strikes them at a chosen file."""

from __future__ import annotations

import errno
import multiprocessing
import os
import pkgutil
import resource
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from degflow_aug.cli import COMMANDS
from degflow_aug.files.writing import PARTIAL_SUFFIX

IMPORTED = ("degflow_aug.cli", "degflow_aug.fit.camera_fit", "basicsr.train")
HUNG_SECONDS = 600
MEMORY_BYTES = 6 << 30
PIPELINE_STEPS = 5
Hook = Callable[[], None]


@dataclass(frozen=True)
class End:
    """How a command ended: its exit code, negative for a signal, and all that it wrote to stderr."""

    code: int
    stderr: str

    @property
    def lines(self) -> list[str]:
        return [line for line in self.stderr.splitlines() if line.strip()]

    def is_sentence(self, *parts: str) -> bool:
        """Whether it ended with exit code 2 and one sentence, with one of ``parts`` in it if any are given."""
        said = self.lines[-1] if self.lines else ""
        known = not parts or any(part in said for part in parts)
        return self.code == 2 and said.startswith("degflow: ") and "Traceback" not in self.stderr and known


def strike(number: int, how: signal.Signals | None, target: str) -> None:
    """Have call ``number`` of ``target`` send a signal to the process and its workers, or find the disk full."""
    place, _, name = target.rpartition(".")
    owner: Any = pkgutil.resolve_name(place)
    original, calls = getattr(owner, name), 0

    def counted(*arguments: Any, **keywords: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == number and how is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if calls == number:
            os.killpg(os.getpgrp(), how)
        return original(*arguments, **keywords)

    setattr(owner, name, counted)


def run(arguments: Sequence[str], folder: Path, hook: Hook | None = None) -> End:
    """Run ``degflow arguments`` in ``folder``, after ``hook`` in its process.

    Raises:
        TimeoutError: it does not end.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*IMPORTED, *(f"degflow_aug.commands.{name}" for name in COMMANDS)])
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        log = Path(scratch) / "stderr"
        process = context.Process(target=_command, args=(list(arguments), folder, log, hook))
        process.start()
        process.join(HUNG_SECONDS)
        if process.exitcode is None:
            process.kill()
            raise TimeoutError(f"expected an end of degflow {' '.join(arguments)[:300]}, got none")
        return End(process.exitcode, log.read_text(encoding="utf-8", errors="replace") if log.exists() else "")


def left_behind(folder: Path) -> list[Path]:
    """Hidden files that a command which has ended by itself has not cleared away."""
    return [path for path in folder.rglob("*") if path.name.endswith((PARTIAL_SUFFIX, ".lock"))]


def _command(arguments: list[str], folder: Path, log: Path, hook: Hook | None) -> None:
    os.chdir(folder)
    os.setsid()
    # Its loading processes are forks, as in a command that was typed.
    multiprocessing.set_start_method("fork", force=True)
    for stream, path in ((1, Path(os.devnull)), (2, log)):
        file = os.open(path, os.O_WRONLY | os.O_CREAT)
        os.dup2(file, stream)
        os.close(file)
    # A file made to fill the memory fails to, and leaves the machine alone.
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    from degflow_aug.cli import main
    from degflow_aug.degradations.fitted import pipeline_estimation

    pipeline_estimation.ITERATIONS = PIPELINE_STEPS
    if hook:
        hook()
    sys.exit(main(arguments))
