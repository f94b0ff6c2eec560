"""The fault campaign: commands are killed, stopped, starved and lied to, and have to lose nothing.

    python benchmarks/faults.py [--parts kills,disk,files,signals,clock,locks,soak] [--cases 50] [--seed 0]

Prints what every fault came to, writes JSON and Markdown to ``benchmarks/results/faults``, part by part beside what is
there of others, and ends with exit code 1 if anything failed. ``--cases`` is the number of kills of each command; there
are a tenth as many of the other faults.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

# Before torch starts its threads; all that is started from here inherits it.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import faults_clock
import faults_disk
import faults_files
import faults_kills
import faults_locks
import faults_signals
import faults_soak
import torch
from faults_processes import close_server
from faults_tally import Tally, tallies_as_data, tally_table
from result_files import RESULTS, facts, write_results

SHARE = 10
PARTS: dict[str, Callable[[Path, int, int], list[Tally]]] = {
    "kills": faults_kills.tallies,
    "disk": lambda folder, cases, seed: faults_disk.tallies(folder, _some(cases), seed),
    "files": lambda folder, cases, seed: faults_files.tallies(folder, _some(cases), seed),
    "signals": lambda folder, cases, seed: faults_signals.tallies(folder, _some(cases), seed),
    "clock": lambda folder, cases, seed: faults_clock.tallies(folder, _some(cases), seed),
    "locks": lambda folder, cases, seed: faults_locks.tallies(folder, _some(cases), seed),
    "soak": lambda folder, cases, seed: faults_soak.tallies(folder),
}


def _some(cases: int) -> int:
    return max(1, cases // SHARE)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts asked for; 1 if anything failed, else 0."""
    args = parse(arguments)
    torch.set_num_threads(1)
    failed = 0
    with tempfile.TemporaryDirectory(prefix="degflow_faults_") as folder:
        for part in args.parts:
            began = time.monotonic()
            tallies = PARTS[part](Path(folder) / part, args.cases, args.seed)
            seconds = time.monotonic() - began
            failures = failures_in(tallies)
            failed += len(failures)
            print("\n".join((f"\n{part}, {seconds / 60:.1f} minutes\n", tally_table(tallies), *failures)), flush=True)
            settings = {"cases": args.cases, "seed": args.seed, "seconds": round(seconds)}
            add_results(args.out, part, {"facts": facts(torch.device("cpu"), **settings)}, tallies)
    close_server()
    return int(failed > 0)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options; parts as a list of names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default=",".join(PARTS), help=f"out of {', '.join(PARTS)} (default: all)")
    parser.add_argument("--cases", type=int, default=50, help="kills of each command (default: 50)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS / "faults", help="path of the results without suffix")
    args = parser.parse_args(arguments)
    args.parts = args.parts.split(",")
    unknown = [part for part in args.parts if part not in PARTS]
    if unknown or args.cases < 1:
        parser.error(f"expected parts out of {', '.join(PARTS)} and a case or more, got {unknown} and {args.cases}")
    return args


def failures_in(tallies: Sequence[Tally]) -> list[str]:
    """A line of Markdown for each."""
    return [f"- {tally.fault}: {failure}" for tally in tallies for failure in tally.failures]


def add_results(stem: Path, part: str, content: dict[str, Any], tallies: Sequence[Tally]) -> None:
    """Write a part as soon as it is done, beside the other parts that are there."""
    path = stem.with_name(f"{stem.name}.json")
    known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    known[part] = {**content, "tallies": tallies_as_data(tallies)}
    known = {name: known[name] for name in PARTS if name in known}
    write_results(stem, known, report(known))


def report(parts: Mapping[str, dict[str, Any]]) -> str:
    """All parts as Markdown."""
    found = {name: [Tally(**tally) for tally in part["tallies"]] for name, part in parts.items()}
    everything = [tally for tallies in found.values() for tally in tallies]
    failures = failures_in(everything)
    lines = [
        "# Fault campaign", "", f"{sum(tally.cases for tally in everything)} cases, {len(failures)} failures.", "",
        tally_table(everything), "", *failures, *([""] if failures else []),
        "Run by `python benchmarks/faults.py`:", "",
    ]  # fmt: skip
    for name, part in parts.items():
        where = part["facts"]
        lines.append(
            f"- `--parts {name} --cases {where['cases']} --seed {where['seed']}`: {where['seconds'] / 60:.0f} minutes, "
            f"{where['device']}, {where['threads']} thread, Python {where['python']}, torch {where['torch']}"
        )
    return "\n".join(lines)


# Malformed inputs are a part like the others, in a file of their own.
if find_spec("faults_inputs"):
    import faults_inputs

    PARTS["inputs"] = lambda folder, cases, seed: list(faults_inputs.tallies(share=min(1.0, cases / 50), seed=seed))

if __name__ == "__main__":
    sys.exit(main())
