"""The parts of the GPU script: commands, each with a limit, at full and at tiny size."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OUT = "{out}"
"""Stands in a command for where its result goes, without suffix."""
TAIL = 4000


@dataclass(frozen=True)
class Part:
    """A command of Python, ``-m`` and what follows; ``seconds`` is the most it may take."""

    seconds: float
    command: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Outcome:
    """How a part ended: ``done``, ``failed`` or ``stopped``, or that there was no time left.

    Attributes:
        content, text: its JSON and Markdown, where it has written them.
        said: the end of its output, where it did not end well or writes no result.
    """

    name: str
    seconds: float
    limit: float
    end: str
    content: dict[str, Any] | None = None
    text: str = ""
    said: str = ""


def _parts(sizes: dict[str, tuple[float, str]], device: str, environment: dict[str, str]) -> dict[str, Part]:
    """Parts of (seconds, arguments); ``compile`` and ``cost`` are one module."""
    modules = {
        "tests": "pytest -n 0 -m cuda tests/degradations tests/models",
        "cost": f"benchmarks.cost --out {OUT} --device {device} --precision bf16 --parts methods --cudnn-benchmark",
        "compiled": f"benchmarks.cost --out {OUT} --device {device} --precision bf16 --parts methods --compile",
        "graphs": f"benchmarks.gpu.graphs --out {OUT} --device {device}",
        "step": f"benchmarks.cost.step_share --out {OUT} --device {device} --precision bf16 --networks EDSR-LIIF",
        "fit": f"benchmarks.gpu.small_fit --out {OUT} --device {device}",
    }
    return {
        name: Part(seconds, (*modules[name].split(), *more.split()), tuple(environment.items()))
        for name, (seconds, more) in sizes.items()
    }


OF_INTEREST = "--methods bicubic ours default one"
MEASURED = _parts(
    {
        "tests": (60, ""),
        "cost": (110, f"--batches 16 --patches 256 --presets small official {OF_INTEREST} --minutes 1.4"),
        "graphs": (40, "--batch 16 --size 256 --seconds 5"),
        "step": (75, "--bundle degflow_aug/weights/city100-iphone.safetensors --rounds 5"),
        "fit": (110, "--minutes 0.8 --photographs 4"),
        # What compiles may take all the time that is left.
        "compiled": (120, f"--batches 16 --patches 256 --presets small {OF_INTEREST} --minutes 1.5"),
    },
    "cuda",
    {},
)
TINY = _parts(
    {
        "tests": (120, "--collect-only"),
        "cost": (120, "--batches 1 --patches 80 --presets tiny --methods one --seconds 0"),
        "graphs": (120, "--batch 1 --size 32 --seconds 0.1"),
        "step": (
            120,
            "--bundle degflow_aug/weights/city100-iphone.safetensors --batch 1 --size 32 --rounds 1 --steps 1",
        ),
        "fit": (240, "--preset small --iters 3 --photographs 1"),
        "compiled": (120, "--batches 1 --patches 80 --presets tiny --methods one --seconds 0"),
    },
    "cpu",
    # No compiler is needed to see that the arguments of the part are right.
    {"TORCHDYNAMO_DISABLE": "1"},
)


def run_part(name: str, part: Part, limit: float, folder: Path) -> Outcome:
    """Run a part to its end or for ``limit`` seconds, after which it and all that it has started are killed."""
    stem = folder / name
    command = [sys.executable, "-m", *(word.replace(OUT, str(stem)) for word in part.command)]
    began = time.monotonic()
    # Into a file: what a pipe still holds would be waited for after a kill.
    with (folder / f"{name}.log").open("w+", encoding="utf-8") as log:
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, **dict(part.environment)},
        )
        try:
            code = process.wait(limit)
            end = "done" if code == 0 else f"failed ({code})"
        except subprocess.TimeoutExpired:
            end = f"stopped after {limit:.0f} s"
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        log.seek(0)
        said = log.read()[-TAIL:]
    content, text = None, ""
    if stem.with_suffix(".json").is_file():
        content = json.loads(stem.with_suffix(".json").read_text(encoding="utf-8"))
        text = stem.with_suffix(".md").read_text(encoding="utf-8").strip()
    return Outcome(
        name, time.monotonic() - began, limit, end, content, text, "" if end == "done" and content is not None else said
    )
