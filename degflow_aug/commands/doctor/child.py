"""Looks from a process of its own: a library that crashes, hangs or prints on import cannot take the doctor with it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import Any

SECONDS = 300
_MARK = "degflow doctor: "
_CHILD = (
    "import json, sys\n"
    "sys.path[:] = json.loads(sys.argv[1])\n"
    "from degflow_aug.commands.doctor.child import answer\n"
    "answer(sys.argv[2], sys.argv[3:])\n"
)


class ProbeError(Exception):
    """What went wrong in the other process, in one line."""


def ask(probe: str, *arguments: str, seconds: float = SECONDS) -> Any:
    """What ``probe``, a function of ``doctor_probes``, returns in a new process.

    Raises:
        ProbeError: it raised, crashed, or did not end within ``seconds``.
    """
    command = [sys.executable, "-c", _CHILD, json.dumps(sys.path), probe, *arguments]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=seconds, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        raise ProbeError(f"did not end within {seconds:g} seconds") from None
    except OSError as error:
        raise ProbeError(f"no process could be started: {error}") from None
    for line in reversed(done.stdout.splitlines()):
        if line.startswith(_MARK):
            said = json.loads(line.removeprefix(_MARK))
            if "error" in said:
                raise ProbeError(said["error"])
            return said["answer"]
    raise ProbeError(_how_it_ended(done))


def answer(probe: str, arguments: list[str]) -> None:
    """In the new process: print what the probe returns or raises."""
    try:
        from degflow_aug.commands.doctor import probes as doctor_probes

        said = {"answer": getattr(doctor_probes, probe)(*arguments)}
    except BaseException as error:
        said = {"error": " ".join(f"{type(error).__name__}: {error}".split())}
    print(f"\n{_MARK}{json.dumps(said)}", flush=True)


def _how_it_ended(done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode < 0:
        try:
            return f"crashed ({signal.Signals(-done.returncode).name})"
        except ValueError:
            return f"crashed (signal {-done.returncode})"
    lines = done.stderr.strip().splitlines()
    return f"ended with exit code {done.returncode}" + (f": {lines[-1].strip()}" if lines else "")
