"""What a GPU does, in one command that ends in time: tests, costs, CUDA graphs, a training step, a small fit.

    python -m benchmarks.gpu                    # at most nine minutes, planned for an H200
    python -m benchmarks.gpu --dry-run          # the same code at tiny sizes on the CPU

Each part is a process with a limit of its own. After each part everything so far is written as JSON and Markdown below
``benchmarks/results/<device>/gpu``, so that a machine that is taken away leaves what it has done.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu.parts import MEASURED, TINY, Outcome, Part, run_part
from benchmarks.shared.results import facts, markdown_table, results_folder, write_results

LEAST = 10.0
"""Seconds below which no part is begun."""


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dry-run", action="store_true", help="tiny sizes, on the CPU")
    parser.add_argument("--minutes", type=float, default=9.0, help="of everything (default: 9)")
    parser.add_argument("--parts", nargs="+", choices=list(MEASURED), default=list(MEASURED))
    parser.add_argument("--out", type=Path, help="without suffix (default: below results/<device>)")
    args = parser.parse_args(arguments)
    if not args.dry_run and not torch.cuda.is_available():
        parser.error("expected a CUDA device, got none; --dry-run goes through the same code on the CPU")
    return args


def report(known: dict[str, Any], outcomes: list[Outcome]) -> str:
    """Markdown: how each part ended, and then what each has found."""
    table = markdown_table(
        ["part", "seconds", "limit", "end"],
        [[each.name, f"{each.seconds:.0f}", f"{each.limit:.0f}", each.end] for each in outcomes],
    )
    # A part's own title becomes one of the second order.
    found = [f"## {each.name}\n\n{each.text.replace('# ', '### ', 1)}" for each in outcomes if each.text]
    return "\n\n".join([f"# On {known['device']}\n\n{table}", *found])


def run(parts: dict[str, Part], until: float, stem: Path, device: torch.device) -> list[Outcome]:
    """Run the parts one after another until ``until`` (of ``time.monotonic``); write after each."""
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, part in parts.items():
            limit = min(part.seconds, until - time.monotonic())
            if limit < LEAST:
                outcomes.append(Outcome(name, 0.0, max(limit, 0.0), "no time left"))
            else:
                outcomes.append(run_part(name, part, limit, Path(folder)))
            known = facts(device, cores=os.cpu_count())
            content = {"facts": known, "parts": [vars(each) for each in outcomes]}
            write_results(stem, content, report(known, outcomes))
            print(f"{name}: {outcomes[-1].end}, {outcomes[-1].seconds:.0f} s", flush=True)
    return outcomes


def main(arguments: list[str] | None = None) -> int:
    """Run the parts; returns 1 where one has failed."""
    began = time.monotonic()
    args = parse(arguments)
    device = torch.device("cpu" if args.dry_run else "cuda")
    parts = {name: (TINY if args.dry_run else MEASURED)[name] for name in args.parts}
    stem = args.out or results_folder(device) / ("gpu_dry_run" if args.dry_run else "gpu")
    outcomes = run(parts, began + 60 * args.minutes, stem, device)
    print(stem.with_name(stem.name + ".md").read_text(encoding="utf-8"))
    return int(any(each.end.startswith("failed") for each in outcomes))


if __name__ == "__main__":
    raise SystemExit(main())
