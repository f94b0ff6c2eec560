"""``degflow demo``: fit, generate and compare with a simulated phone, whose truth is known at every scale.

The phone photographs images of scikit-image at scales 2 and 4; a generator is fitted to those pairs, makes LR images of
two held-out images at scales it has never seen, and is compared with the truth there.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from degflow_aug.commands import evaluate, fit, generate
from degflow_aug.commands.demo.demo_sheet import demo_cells
from degflow_aug.commands.demo.simulated_pairs import (
    TESTED,
    bundled_photographs,
    layout_arguments,
    write_simulated_pairs,
)
from degflow_aug.commands.shared.arguments import positive_number, whole_number
from degflow_aug.commands.shared.contact_sheet import write_contact_sheet
from degflow_aug.commands.shared.invocation import run_step
from degflow_aug.console.json_output import add_json_argument, print_json, said_to_people
from degflow_aug.console.plain_text import say
from degflow_aug.console.progress import Progress

KNOTS = (1.0, 2.0, 4.0)
DEFAULT_MINUTES = 5.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument(
        "--out", default="degflow_demo", metavar="DIR", help="folder for everything (default: degflow_demo)"
    )
    parser.add_argument(
        "--minutes", type=positive_number, metavar="M", help=f"time to train (default: {DEFAULT_MINUTES:g})"
    )
    parser.add_argument("--iters", type=whole_number, metavar="N", help="iterations instead of minutes")
    parser.add_argument(
        "--shipped", action="store_true", help="train nothing: show the generators that ship with the package"
    )
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Fit, generate, compare and draw, or only show what ships; returns 0.

    Raises:
        ValueError, OSError: the folder cannot be written, or holds a demo with other settings.
    """
    if args.minutes and args.iters:
        raise ValueError("expected --minutes or --iters, got both; leave one out")
    if args.shipped:
        if args.minutes or args.iters:
            raise ValueError("expected --shipped or a budget for training, got both; leave one out")
        from degflow_aug.commands.demo.shipped import show_shipped

        with said_to_people(args):
            shown = show_shipped(Path(args.out), args.json)
    else:
        with said_to_people(args):
            shown = _fit_and_show(args)
    if args.json:
        print_json(shown)
    return 0


def _fit_and_show(args: argparse.Namespace) -> dict[str, Any]:
    out = Path(args.out)
    training, held_out = bundled_photographs()
    train, test = out / "pairs" / "train", out / "pairs" / "test"
    with Progress() as progress:
        write_simulated_pairs(training, KNOTS[1:], train, progress)
        write_simulated_pairs(held_out, TESTED, test, progress)
    bundle, pipeline, images = out / "camera.safetensors", out / "pipeline.safetensors", out / "generated"
    budget = ["--iters", str(args.iters)] if args.iters else ["--minutes", f"{args.minutes or DEFAULT_MINUTES:g}"]
    say(f"1. fitting a camera to {len(training)} photographs at scales 1, 2 and 4")
    fitted = run_step(fit, [
        str(train), *layout_arguments(train), *budget, "--out", str(bundle), "--held-out", "none",
        "--camera", "simulated phone", "--preset", "tiny",
    ], args.json)  # fmt: skip
    say("   and a pipeline without networks (blur of light, tone curve, sharpening) to the same pairs")
    # Its noise is shown nowhere.
    run_step(fit, [
        str(train), *layout_arguments(train), "--preset", "pipeline", "--iters", "1", "--out", str(pipeline),
        "--held-out", "none", "--report", "none",
    ], args.json)  # fmt: skip
    say(f"2. LR images of {' and '.join(held_out)} at scales never seen: {images}")
    generated = run_step(generate, [
        str(test / "HR"), "--bundle", str(bundle), "--scales", "1.5,2.5,3,3.5", "--out", str(images),
    ], args.json)  # fmt: skip
    say("3. views of the held-out photographs against the truth")
    compared = run_step(evaluate, [
        str(bundle), "--pairs", str(test), *layout_arguments(test), "--beside", str(pipeline),
    ], args.json)  # fmt: skip
    sheet = out / "contact_sheet.png"
    write_contact_sheet(sheet, *demo_cells(bundle, pipeline, test))
    say(f"4. the same as a picture: {sheet}")
    return {"out": out, "fit": fitted, "generate": generated, "evaluate": compared, "sheet": sheet}
