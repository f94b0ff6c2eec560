"""``degflow fit`` on simulated pairs of photographs of scikit-image: iterations a second, and likeness after them.

python -m benchmarks.gpu.small_fit --minutes 0.8
python -m benchmarks.gpu.small_fit --preset tiny --iters 30
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.shared.arguments import add_device
from benchmarks.shared.results import facts, markdown_table, results_folder, write_results
from degflow_aug.cli import main as degflow
from degflow_aug.commands.demo.simulated_pairs import bundled_photographs, layout_arguments, write_simulated_pairs
from degflow_aug.console.progress import Progress
from degflow_aug.degradations.simulator.camera import SimulatedCamera

SCALES = (2.0, 4.0)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="small")
    budget = parser.add_mutually_exclusive_group(required=True)
    budget.add_argument("--minutes", help="of training")
    budget.add_argument("--iters", help="of training, of all stages together")
    parser.add_argument("--photographs", type=int, help="how many to fit to (default: all)")
    add_device(parser)
    return parser.parse_args(arguments)


def fitted(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """What ``degflow fit --json`` says of a fit to pairs that are made in ``folder``."""
    photographs = dict(list(bundled_photographs()[0].items())[: args.photographs])
    with Progress() as progress:
        write_simulated_pairs(photographs, SCALES, folder / "pairs", progress, SimulatedCamera())
    budget = ["--minutes", args.minutes] if args.minutes else ["--iters", args.iters]
    command = ["fit", str(folder / "pairs"), *layout_arguments(folder / "pairs"), "--preset", args.preset, *budget]
    command += ["--out", str(folder / "camera.safetensors"), "--device", args.device, "--report", "none", "--json"]
    with contextlib.redirect_stdout(io.StringIO()) as said:
        code = degflow(command)
    if code != 0:
        raise RuntimeError(f"expected the fit to end with 0, got {code}; see what was said before")
    found: dict[str, Any] = json.loads(said.getvalue())
    return found


def main(arguments: list[str] | None = None) -> None:
    """Fit, write, print."""
    args = parse(arguments)
    torch.set_num_threads(args.threads)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        found = fitted(args, Path(folder))
    known = facts(torch.device(args.device), preset=args.preset, minutes=args.minutes, iters=args.iters)
    content = {"facts": known, "fit": found, "seconds": round(time.monotonic() - began, 1)}
    training = found["training"]
    stages = ", ".join(f"{stage} {count}" for stage, count in training["iterations"].items())
    rows = [[str(row["method"]), f"{row['scale']:g}", f"{row['psnr_y']:.2f}"] for row in found["rows"]]
    told = f"Preset {args.preset}: iterations {stages}; {training['seconds']} s to train, {content['seconds']} s in all"
    text = f"# A small fit\n\n{told}\n\n{markdown_table(['method', 'scale', 'Y-PSNR of views'], rows)}"
    write_results(args.out or results_folder(torch.device(args.device)) / "small_fit", content, text)
    print(text)


if __name__ == "__main__":
    main()
