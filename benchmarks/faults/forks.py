"""Runs the command line many times without paying for its imports: a server that forks a process a case.

``ForkServer`` starts this module as a process of its own, which imports everything once and has no threads. Each case
is a child of it in a process group of its own: one that hangs is killed, one that crashes costs nothing but itself, and
the peak of its memory is its own (Linux resets the high-water mark at a fork).
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LONGEST_SECONDS = 10.0
PATIENT_SECONDS = 90.0
_MEMORY_LIMIT = 6 << 30


@dataclass(frozen=True)
class Outcome:
    """What a command did.

    Attributes:
        code: exit code; None where a signal ended it.
        signal: the signal, or 0; that of a hang is SIGKILL.
        hung: it was killed after the time it was given.
        stderr: all of it.
        seconds: wall time.
        working: seconds of the processor, of its children too where they have ended.
        peak: bytes of resident memory at the highest, above those at the start.
    """

    code: int | None
    signal: int
    hung: bool
    stderr: str
    seconds: float
    peak: int
    working: float = 0.0


class ForkServer:
    """A process that runs ``degflow`` commands; one at a time.

    Attributes:
        peaks: memory of valid inputs, for whoever compares with it.
    """

    def __init__(self) -> None:
        self.peaks: dict[Any, int] = {}
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        # Its end of the pipes is its own: whatever a case prints goes to files.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.faults.forks"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=environment, cwd=Path(__file__).resolve().parents[2],
        )  # fmt: skip

    def run(
        self,
        argv: Sequence[str],
        folder: Path,
        environment: Mapping[str, str] | None = None,
        limit: float = LONGEST_SECONDS,
    ) -> Outcome:
        """Run ``degflow argv`` in ``folder``; a training is stopped in its first step, as by Ctrl-C.

        Raises:
            RuntimeError: the server itself has ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = {"argv": list(argv), "folder": str(folder), "environment": dict(environment or {}), "limit": limit}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("expected an answer of the process that forks, got its end")
        return Outcome(**json.loads(line))

    def __enter__(self) -> ForkServer:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _memory(name: str) -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) << 10
    raise RuntimeError(f"expected {name} in /proc/self/status, got none; this needs Linux")


def _stop_in_first_step() -> None:
    """Have trainings interrupt themselves as Ctrl-C would: valid options may ask for days."""
    import basicsr.train

    from degflow_aug.models.stages.stage_model import StageModel

    record, rate = basicsr.train.AvgTimer.record, StageModel.set_learning_rate
    interrupted = False

    def interrupt() -> None:
        nonlocal interrupted
        if not interrupted:
            interrupted = True
            os.kill(os.getpid(), signal.SIGINT)

    def record_and_stop(timer: Any) -> None:
        record(timer)
        interrupt()

    def set_and_stop(model: Any, value: float) -> None:
        rate(model, value)
        interrupt()

    basicsr.train.AvgTimer.record = record_and_stop
    StageModel.set_learning_rate = set_and_stop  # type: ignore[method-assign]


def _case(request: dict[str, Any], answer: int) -> None:
    """Run one request in this process, a fresh child, and write (exit code, peak of memory) to ``answer``."""
    os.setsid()
    os.chdir(request["folder"])
    for number, name in ((0, os.devnull), (1, ".stdout"), (2, ".stderr")):
        file = os.open(name, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
        os.close(file)
    os.environ.update(request["environment"])
    limit = _memory("VmSize") + _MEMORY_LIMIT
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    before = _memory("VmRSS")
    from degflow_aug.cli import main

    try:
        code = main(request["argv"])
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os.write(answer, json.dumps([code, _memory("VmHWM") - before, sum(os.times()[:4])]).encode())


def _serve(request: dict[str, Any]) -> dict[str, Any]:
    reading, writing = os.pipe()
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            _case(request, writing)
        finally:
            os._exit(0)
    os.close(writing)
    ready, _, _ = select.select([reading], [], [], request["limit"])
    said = os.read(reading, 4096) if ready else b""
    seconds = time.monotonic() - began
    if not said:
        os.kill(child, signal.SIGKILL)
    os.close(reading)
    _, status = os.waitpid(child, 0)
    _kill_group(child)
    code, peak, working = json.loads(said) if said else (None, 0, 0.0)
    printed = Path(request["folder"], ".stderr")
    stderr = printed.read_text(encoding="utf-8", errors="replace") if printed.exists() else ""
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) and not said else 0
    return {
        "code": code, "signal": number, "hung": not ready, "stderr": stderr, "seconds": seconds, "peak": peak,
        "working": working,
    }  # fmt: skip


def _kill_group(leader: int) -> None:
    """End what the case has started and left: workers of a data loader."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def _main() -> None:
    import cv2
    import torch

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    import degflow_aug

    degflow_aug.register()
    from degflow_aug import compat

    compat.patch_training()
    import lmdb  # noqa: F401
    from basicsr.train import train_pipeline  # noqa: F401

    import degflow_aug.bundles.official
    import degflow_aug.commands.evaluate
    import degflow_aug.commands.fit.fit_command
    import degflow_aug.commands.generate
    import degflow_aug.degradations.build
    import degflow_aug.evaluation.evaluation
    import degflow_aug.fit.camera_fit
    import degflow_aug.fit.kernel_bundle
    import degflow_aug.fit.noise_fit
    import degflow_aug.models.checks.testing_options
    import degflow_aug.models.checks.training_options

    _stop_in_first_step()
    for line in sys.stdin:
        print(json.dumps(_serve(json.loads(line))), flush=True)
    # Nothing is to be saved, and torch takes seconds to leave.
    os._exit(0)


if __name__ == "__main__":
    _main()
