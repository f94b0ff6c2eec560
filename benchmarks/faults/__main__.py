"""The fault campaign: commands are killed, stopped, starved and lied to, and have to lose nothing.

    python -m benchmarks.faults [--parts kills,disk,files,signals,clock,locks,soak,inputs] [--cases 50] [--seed 0]

Prints what every fault came to, writes JSON and Markdown to ``benchmarks/results/faults``, fault by fault beside what
is there of others, and ends with exit code 1 if anything failed. ``--cases`` is the number of kills of each command;
there are a tenth as many of the other faults, and 3000 malformed inputs for 50.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

# Before torch starts its threads; all that is started from here inherits it.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from benchmarks.faults.harm import clock as faults_clock
from benchmarks.faults.harm import disk as faults_disk
from benchmarks.faults.harm import files as faults_files
from benchmarks.faults.harm import kills as faults_kills
from benchmarks.faults.harm import locks as faults_locks
from benchmarks.faults.harm import signals as faults_signals
from benchmarks.faults.harm import soak as faults_soak
from benchmarks.faults.inputs import inputs as faults_inputs
from benchmarks.faults.processes import close_server
from benchmarks.faults.tally import Tally, tallies_as_data, tally_table
from benchmarks.shared.results import RESULTS, facts, write_results

SHARE, MOST = 10, 50
Part = Callable[[Path, argparse.Namespace], Iterable[Tally]]
PARTS: dict[str, Part] = {
    "kills": lambda folder, args: faults_kills.tallies(folder, args.cases, args.seed, args.commands, args.minutes),
    "disk": lambda folder, args: faults_disk.tallies(folder, _some(args.cases), args.seed, args.commands),
    "files": lambda folder, args: faults_files.tallies(folder, _some(args.cases), args.seed, args.commands),
    "signals": lambda folder, args: faults_signals.tallies(folder, _some(args.cases), args.seed, args.commands),
    "clock": lambda folder, args: faults_clock.tallies(folder, _some(args.cases), args.seed, args.commands),
    "locks": lambda folder, args: faults_locks.tallies(folder, _some(args.cases), args.seed, args.commands),
    "soak": lambda folder, args: faults_soak.tallies(folder),
    "inputs": lambda folder, args: faults_inputs.tallies(share=min(1.0, args.cases / MOST), seed=args.seed),
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
            for tally in PARTS[part](Path(folder) / part, args):
                failed += len(tally.failures)
                print("\n".join((tally_table([tally]).splitlines()[-1], *failures_in([tally]))), flush=True)
                where = facts(torch.device("cpu"), cases=args.cases, seed=args.seed)
                add_results(args.out, part, where, tally)
    close_server()
    return int(failed > 0)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options; parts as a list of names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default=",".join(PARTS), help=f"out of {', '.join(PARTS)} (default: all)")
    parser.add_argument("--commands", help="out of fit, train, distil, generate, generate LMDB (default: all)")
    parser.add_argument("--cases", type=int, default=MOST, help=f"kills of each command (default: {MOST})")
    parser.add_argument(
        "--minutes", type=float, default=math.inf, help="at most for the kills of a command, which are fewer then"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS / "faults", help="path of the results without suffix")
    args = parser.parse_args(arguments)
    args.parts = args.parts.split(",")
    args.commands = args.commands.split(",") if args.commands else None
    unknown = [part for part in args.parts if part not in PARTS]
    if unknown or args.cases < 1:
        parser.error(f"expected parts out of {', '.join(PARTS)} and a case or more, got {unknown} and {args.cases}")
    return args


def failures_in(tallies: Sequence[Tally]) -> list[str]:
    """A line of Markdown for each."""
    return [f"- {tally.fault}: {failure}" for tally in tallies for failure in tally.failures]


def add_results(stem: Path, part: str, where: dict[str, Any], tally: Tally) -> None:
    """Write a tally as soon as there is one, beside those that are there, in place of one of the same fault."""
    path = stem.with_name(f"{stem.name}.json")
    known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    others = [each for each in known.get(part, {}).get("tallies", []) if each["fault"] != tally.fault]
    known[part] = {"facts": where, "tallies": [*others, *tallies_as_data([tally])]}
    known = {name: known[name] for name in PARTS if name in known}
    write_results(stem, {"facts": where, **known}, report(known))


def report(parts: Mapping[str, dict[str, Any]]) -> str:
    """All parts as Markdown."""
    found = {name: [Tally(**tally) for tally in part["tallies"]] for name, part in parts.items()}
    everything = [tally for tallies in found.values() for tally in tallies]
    failures = failures_in(everything)
    lines = [
        "# Fault campaign", "", f"{sum(tally.cases for tally in everything)} cases, {len(failures)} failures.", "",
        tally_table(everything), "", *failures, *([""] if failures else []),
        "Run by `python -m benchmarks.faults`:", "",
    ]  # fmt: skip
    for name, part in parts.items():
        where = part["facts"]
        lines.append(
            f"- `--parts {name} --cases {where['cases']} --seed {where['seed']}`: "
            f"{where['device']}, {where['threads']} thread, Python {where['python']}, torch {where['torch']}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
