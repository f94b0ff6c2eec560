"""A long run on the fly: memory and throughput stay flat, and the same seed gives the same network to the bit."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.faults.jobs import degflow_section, training, write_teacher
from benchmarks.faults.tally import Tally

from helpers.tiny_sr import REAL_ESRGAN, sr_options  # isort: skip

STEPS, EVERY, WARM_UP = 3000, 10, 0.2
LARGEST_GROWTH = 4.0
"""MiB in 1000 steps."""
LARGEST_SLOWDOWN = 0.15
"""Share of the throughput that may be lost in 1000 steps; other work on the machine changes it too."""


@dataclass(frozen=True)
class Recorder:
    """Writes after every tenth step: its number, the seconds of CPU so far, the resident memory in MiB."""

    path: Path

    def __call__(self) -> None:
        from degflow_aug.models.arbitrary_scale_sr_model import ArbitraryScaleSRModel

        step, page = ArbitraryScaleSRModel.optimize_parameters, os.sysconf("SC_PAGE_SIZE") / 2**20
        file = open(self.path, "w", buffering=1)  # noqa: SIM115

        def recorded(model: Any, current_iter: int) -> None:
            step(model, current_iter)
            if current_iter % EVERY == 0:
                resident = int(Path("/proc/self/statm").read_text().split()[1]) * page
                file.write(f"{current_iter} {time.process_time()} {resident}\n")

        ArbitraryScaleSRModel.optimize_parameters = recorded  # type: ignore[method-assign]


def tallies(folder: Path, steps: int = STEPS, names: Sequence[str] | None = None) -> Iterator[Tally]:
    """Two runs of the same seed for each of these degradations."""
    folder.mkdir(parents=True, exist_ok=True)
    sections = {"DegFlow": degflow_section(write_teacher(folder / "teacher.safetensors")), "RealESRGAN": REAL_ESRGAN}
    for name in names or sections:
        yield soaked(name, sections[name], folder, steps)


def soaked(name: str, degradation: dict[str, Any], folder: Path, steps: int) -> Tally:
    """Train twice, look at the first run's memory and speed, and compare what both have written."""
    tally = Tally(f"soak of {steps} steps: {name}")
    opt = sr_options("arbitrary", folder, iterations=steps, degradation=degradation)
    opt["logger"]["print_freq"] = 100
    job = training(f"soak_{name}".lower(), opt, folder, save_every=steps)
    runs = [folder / f"{name}-{run}" for run in (1, 2)]
    for run in runs:
        started = job.start(run, Recorder(run.with_suffix(".txt")))
        code = started.end(3600)
        if code != 0:
            tally.count(f"exit code {code}: {started.complaint()}")
            return tally
    rows = np.loadtxt(runs[0].with_suffix(".txt"))
    growth, slowdown = slopes(rows)
    tally.count(f"memory grows by {growth:.1f} MiB in 1000 steps" if growth > LARGEST_GROWTH else None)
    tally.count(f"{100 * slowdown:.0f} % slower in 1000 steps" if slowdown > LARGEST_SLOWDOWN else None)
    tally.count(job.different(*runs))
    number, seconds, resident = (float(value) for value in rows[-1])
    tally.figures = {
        "MiB in 1000 steps": growth, "slowdown in 1000 steps": slowdown, "steps in a CPU second": number / seconds,
        "MiB at the end": resident,
    }  # fmt: skip
    return tally


def slopes(rows: np.ndarray) -> tuple[float, float]:
    """Growth in MiB, and the share of the throughput that is lost, in 1000 steps, by least squares after a warm-up.

    Args:
        rows: (N, 3), number of the step, seconds so far, MiB.
    """
    warm = rows[int(WARM_UP * len(rows)) :]
    growth = np.polyfit(warm[:, 0], warm[:, 2], 1)[0]
    middle = (warm[1:, 0] + warm[:-1, 0]) / 2
    slope, level = np.polyfit(middle, np.diff(warm[:, 1]) / np.diff(warm[:, 0]), 1)
    return float(1000 * growth), float(1000 * slope / (level + slope * middle.mean()))
