"""A user's first hour: the commands of docs/fit.md to the letter, on a photograph and twelve pairs.

    python -m benchmarks.release.first_hour --work first_hour --out benchmarks/results/first_hour

The pairs are photographs of scikit-image seen by the simulator, once through one LR lens (2), once through three (2, 3
and 4). The first training is interrupted (Ctrl-C) as soon as its log has an iteration. Prints what every command took
and fails if one does.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import yaml

from benchmarks.shared.results import facts, markdown_table, write_results
from degflow_aug.commands.demo.simulated_pairs import bundled_photographs, write_simulated_pairs
from degflow_aug.console.progress import Progress
from degflow_aug.degradations.simulator.camera import SimulatedCamera
from degflow_aug.files.image_file import write_image
from degflow_aug.options.yaml_file import load_yaml

ROOT = Path(__file__).resolve().parents[2]
INTERRUPTED = 130
LONGEST = 1800
LENSES = {"one LR lens": (2.0,), "three LR lenses": (2.0, 3.0, 4.0)}


@dataclass(frozen=True)
class Step:
    """A command, its exit code, seconds by the clock and of the processor, and the last line that it printed."""

    command: str
    code: int
    seconds: float
    processor: float
    said: str


def blocks(name: str) -> list[str]:
    """The fenced blocks of the page below the marker ``name``."""
    page = (ROOT / "degflow_aug/docs/fit.md").read_text(encoding="utf-8")
    return re.findall(rf"<!-- {name} -->\n```\w+\n(.*?)```", page, re.DOTALL)


def prepare(work: Path, scales: Sequence[float]) -> None:
    """``my_photo.png``, and ``my_pairs`` with those views of the page's description that are of its scales."""
    training, held_out = bundled_photographs()
    photographs = {**training, **held_out}
    with Progress() as progress:
        write_simulated_pairs(photographs, scales, work / "simulated", progress, SimulatedCamera())
    pairs = work / "my_pairs"
    pairs.mkdir()
    folders = {"HR": "HR", **{f"x{scale:g}": f"LR{scale:g}" for scale in scales}}
    for there, here in folders.items():
        (work / "simulated" / there).rename(pairs / here)
    (pattern,) = blocks("pattern.yml")
    described = load_yaml(pattern)
    described["views"] = {scale: described["views"][scale] for scale in map(int, scales)}
    (pairs / "pattern.yml").write_text(yaml.safe_dump(described), encoding="utf-8")
    write_image(work / "my_photo.png", photographs["chelsea"])


def run(command: str, work: Path, log: Path, interrupt: bool) -> Step:
    """Run a command line as a shell would; ``interrupt`` presses Ctrl-C once an iteration has been logged."""
    # The programs of this interpreter come first, wherever it is.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    began, spent = time.monotonic(), _of_children()
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["bash", "-c", f"exec {command}"], cwd=work, stdout=output, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL, env={**os.environ, "PATH": path}, start_new_session=True,
        )  # fmt: skip
        while process.poll() is None and time.monotonic() - began < LONGEST:
            if interrupt and b"lr:(" in log.read_bytes():
                os.killpg(process.pid, signal.SIGINT)
                interrupt = False
            time.sleep(0.2)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        code = process.wait()
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    said = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return Step(command, code, time.monotonic() - began, _of_children() - spent, said)


def _of_children() -> float:
    """Return the processor seconds of all commands that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def first_hour(work: Path) -> list[Step]:
    """All the commands, one after another; stops at one that fails."""
    (text,) = blocks("first-hour")
    commands = [line.partition("  #")[0].rstrip() for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    steps: list[Step] = []
    for number, command in enumerate(commands):
        again = f"{command} --auto_resume" in commands
        step = run(command, work, work / f"{number:02}.log", interrupt=again)
        steps.append(step)
        print(f"{step.seconds:6.0f} s  exit {step.code:3}  {step.command}", flush=True)
        if step.code != (INTERRUPTED if again else 0):
            print(step.said, file=sys.stderr)
            break
    return steps


def _seconds(steps: Sequence[Step]) -> str:
    """Both kinds of seconds of all the steps: on a machine with other work to do the first are more."""
    return f"{sum(step.seconds for step in steps):.0f} ({sum(step.processor for step in steps):.0f})"


def write(out: Path, found: dict[str, list[Step]]) -> None:
    """Write the steps of each set of lenses, and a table with a row per command."""
    listed = [step.command for step in next(iter(found.values()))]
    rows = [
        [f"`{command}`", *(_seconds(steps[at : at + 1]) for steps in found.values())]
        for at, command in enumerate(listed)
    ]
    rows.append(["all", *map(_seconds, found.values())])
    steps = {name: [asdict(step) for step in each] for name, each in found.items()}
    table = markdown_table(["command", *(f"seconds (of the processor), {name}" for name in found)], rows)
    write_results(out, {"facts": facts(torch.device("cpu")), **steps}, table)


def main() -> int:
    """Run it; returns 0 if every command did what the page says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path("first_hour"), help="a folder that is not there yet")
    parser.add_argument("--out", type=Path, help="where to write .json and .md, without the suffix")
    args = parser.parse_args()
    if args.work.exists():
        parser.error(f"expected a folder that is not there yet, got {args.work}")
    found = {}
    for lenses, scales in LENSES.items():
        print(lenses)
        work = args.work.resolve() / lenses.replace(" ", "_")
        work.mkdir(parents=True)
        prepare(work, scales)
        found[lenses] = first_hour(work)
    if args.out:
        write(args.out, found)
    whole = len(blocks("first-hour")[0].strip().splitlines())
    right = [len(steps) == whole and all(step.code in (0, INTERRUPTED) for step in steps) for steps in found.values()]
    return 0 if all(right) else 1


if __name__ == "__main__":
    sys.exit(main())
