"""The fault campaign: commands are killed, stopped, starved and lied to, and have to lose nothing.

    python benchmarks/faults.py [--parts kills,disk,files,signals,clock,locks,soak] [--cases 50] [--seed 0]

Prints what every fault came to, writes JSON and Markdown to ``benchmarks/results/faults``, and ends with exit code 1
if anything failed. ``--cases`` is the number of kills of each command; of the other faults there are a tenth as many.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

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
    tallies: list[Tally] = []
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="degflow_faults_") as folder:
        for part in args.parts:
            found = PARTS[part](Path(folder) / part, args.cases, args.seed)
            print(f"\n{part}, {(time.monotonic() - began) / 60:.0f} minutes\n\n{tally_table(found)}", flush=True)
            for said in failures_in(found):
                print(said, flush=True)
            tallies += found
            _write(args, tallies, time.monotonic() - began)
    close_server()
    return int(any(tally.failures for tally in tallies))


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


def _write(args: argparse.Namespace, tallies: Sequence[Tally], seconds: float) -> None:
    """Both files, after every part, so that a campaign that is broken off has not been for nothing."""
    said = failures_in(tallies)
    settings = {"parts": args.parts, "cases": args.cases, "seed": args.seed, "seconds": round(seconds)}
    where = facts(torch.device("cpu"), **settings)
    lines = [
        "# Fault campaign", "", f"{sum(tally.cases for tally in tallies)} cases, {len(said)} failures.", "",
        tally_table(tallies), "", *said, *([""] if said else []),
        f"{where['device']}, {where['threads']} thread, Python {where['python']}, torch {where['torch']}, "
        f"{seconds / 60:.0f} minutes.", "",
        f"`python benchmarks/faults.py --parts {','.join(args.parts)} --cases {args.cases} --seed {args.seed}`",
    ]  # fmt: skip
    write_results(args.out, {"facts": where, "tallies": tallies_as_data(tallies)}, "\n".join(lines))


# Malformed inputs are a part like the others, in a file of their own.
if find_spec("faults_inputs"):
    import faults_inputs

    PARTS["inputs"] = lambda folder, cases, seed: list(faults_inputs.tallies(share=min(1.0, cases / 50), seed=seed))

if __name__ == "__main__":
    sys.exit(main())
