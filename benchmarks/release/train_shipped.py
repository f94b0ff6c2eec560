"""Trains a bundle that ships with the package, measures it on scenes it has not seen, and writes it with its facts.

    python -m benchmarks.release.train_shipped city100-iphone --city100 City100 --minutes 240
    python -m benchmarks.release.train_shipped simulator --city100 City100 --check

The training is that of `degflow fit`. Stopped or killed, the same command goes on where it was. At the end stand
degflow_aug/weights/NAME.safetensors and its model card in degflow_aug/weights/README.md. With --check nothing is
trained: the shipped bundle is measured again and compared with what its header says.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

import degflow_aug
from benchmarks.release import model_cards
from benchmarks.release.data import measure_on, training_arguments
from benchmarks.release.recipes import RECIPES, Recipe
from benchmarks.shared.results import device_name
from degflow_aug.bundles.bundle import Bundle, load_bundle, save_bundle
from degflow_aug.bundles.spec import WEIGHTS
from degflow_aug.commands import fit
from degflow_aug.commands.shared.arguments import count, one_of, pick_device, positive_number, whole_number
from degflow_aug.commands.shared.invocation import run_command
from degflow_aug.evaluation.bundle_metrics import largest_difference, read_measurements
from degflow_aug.evaluation.rows import format_table

LARGEST = 12_000_000
TOLERANCE = 0.05


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", type=one_of(*RECIPES), metavar="NAME", help=", ".join(RECIPES))
    parser.add_argument("--city100", type=Path, required=True, help="folder of City100's two cameras")
    parser.add_argument("--minutes", type=positive_number, help="time to train (default: that of degflow fit)")
    parser.add_argument("--iters", type=whole_number, help="iterations of all stages together, instead of --minutes")
    parser.add_argument("--preset", default="small", type=one_of("tiny", "small"))
    parser.add_argument("--seed", type=count, default=0)
    parser.add_argument("--device", default="auto", help="to train on; measured is on the CPU")
    parser.add_argument("--workers", type=count, help="processes that load images")
    parser.add_argument("--work", type=Path, default=Path("shipped.fit"), help="checkpoints and simulated pairs")
    parser.add_argument("--out", type=Path, help="the bundle (default: that of the package)")
    parser.add_argument("--check", action="store_true", help="measure --out again and compare with its header")
    return parser.parse_args(arguments)


def train(name: str, args: argparse.Namespace) -> Bundle:
    """Train what is not trained yet."""
    recipe, trained = RECIPES[name], args.work / f"{name}.safetensors"
    chosen = {"--minutes": args.minutes, "--iters": args.iters, "--workers": args.workers}
    given = [part for option, value in chosen.items() if value is not None for part in (option, f"{value:g}")]
    run_command(fit, [
        *training_arguments(recipe, args.city100, args.work), *recipe.fit, *given, "--held-out", "none",
        "--preset", args.preset, "--seed", str(args.seed), "--device", args.device,
        "--work", str(args.work / name), "--out", str(trained),
    ])  # fmt: skip
    return load_bundle(trained)


def with_facts(bundle: Bundle, recipe: Recipe, args: argparse.Namespace) -> Bundle:
    """The bundle with its licence, with what it was made on, and with its scores on every test set of the recipe."""
    metrics = [measure_on(test, bundle, args.city100, args.work).plain() for test in recipe.tests]
    made_on: dict[str, Any] = {
        "device": device_name(pick_device(args.device)), "torch": torch.__version__,
        "degflow_aug": degflow_aug.__version__,
    }  # fmt: skip
    training = {**bundle.spec.training, **made_on}
    return replace(bundle, spec=replace(bundle.spec, training=training, licence=recipe.licence, metrics=metrics))


def write(bundle: Bundle, work: Path, out: Path) -> None:
    """Write the bundle, first to ``work``.

    Raises:
        ValueError: it is too large to ship; ``out`` is left as it was.
    """
    measured = work / f"{out.stem}.measured.safetensors"
    save_bundle(measured, bundle)
    size = measured.stat().st_size
    if size > LARGEST:
        raise ValueError(f"expected a bundle of at most {LARGEST} bytes to ship, got {size} in {measured}")
    save_bundle(out, bundle)


def check(bundle: Bundle, recipe: Recipe, args: argparse.Namespace) -> bool:
    """Measure again, print the tables, and say whether they are those of the header within 0.05 dB."""
    worst = 0.0
    by_data = {test.data: test for test in recipe.tests}
    for before in read_measurements(bundle.spec):
        now = measure_on(by_data[before.data], bundle, args.city100, args.work)
        worst = max(worst, largest_difference(before, now))
        print(format_table(now.rows()))
    print(f"largest difference to the header: {worst:.4f} dB")
    return worst <= TOLERANCE


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, measure and write, or check; returns the exit code."""
    args = parse(arguments)
    recipe, out = RECIPES[args.name], args.out or WEIGHTS / f"{args.name}.safetensors"
    if args.check:
        return 0 if check(load_bundle(out), recipe, args) else 1
    bundle = with_facts(train(args.name, args), recipe, args)
    write(bundle, args.work, out)
    for measurement in read_measurements(bundle.spec):
        print(format_table(measurement.rows()))
    if out.parent == WEIGHTS:
        model_cards.write_cards()
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (ValueError, OSError) as error:
        sys.exit(f"train_shipped: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
