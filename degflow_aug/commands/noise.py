"""``degflow noise``: learn the noise that a bundle's LR lacks against real LR, and put it into the bundle."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from degflow_aug.commands.shared.arguments import bundle_output, count, pick_device, positive_number
from degflow_aug.commands.shared.pairs_arguments import add_pairs_arguments, find_pairs, load_scenes, say_what_teaches
from degflow_aug.console.json_output import add_json_argument, print_json
from degflow_aug.console.plain_text import say
from degflow_aug.console.progress import Progress
from degflow_aug.files.writing import sole_writer

if TYPE_CHECKING:
    from degflow_aug.bundles.bundle import State


@dataclass(frozen=True)
class Deviation:
    """Standard deviation of Gaussian noise at a scale, lowest and highest by level and contrast, in gray levels."""

    camera: str
    scale: float
    lowest: float
    highest: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("bundle", metavar="BUNDLE.safetensors", help="the bundle, which is written anew")
    parser.add_argument("--pairs", required=True, metavar="DIR", help="folder of the real pairs it was trained on")
    add_pairs_arguments(parser, split="Train")
    parser.add_argument("--out", metavar="FILE.safetensors", help="write it there and leave BUNDLE as it is")
    parser.add_argument(
        "--minutes", type=positive_number, metavar="M", help="time to train the network (default: 4000 steps)"
    )
    parser.add_argument("--seed", type=count, default=0, help="of everything drawn (default: 0)")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (auto: a GPU where there is one)")
    add_json_argument(parser)
    parser.epilog = "degflow fit ends with this; bundles of degflow train and convert have no noise before it."


def run(args: argparse.Namespace) -> int:
    """Learn and write; returns 0.

    Raises:
        ValueError, OSError: no bundle, no pairs at its knots, or images that are too small.
    """
    named = bundle_output(args.out) if args.out is not None else None
    scenes = find_pairs(args)
    from degflow_aug.bundles.bundle import load_any_bundle, save_bundle
    from degflow_aug.bundles.spec import WEIGHTS, bundle_path
    from degflow_aug.fit.noise_fit import spread_out, with_noise
    from degflow_aug.fit.noise_training import STEPS
    from degflow_aug.fit.schedule import Budget
    from degflow_aug.fit.short_training import ShortRun

    bundle = load_any_bundle(args.bundle)
    path = bundle_path(args.bundle)
    if named is None and path.parent == WEIGHTS:
        raise ValueError(f"expected --out FILE.safetensors for a shipped bundle, got none; {path} would be overwritten")
    out = named or path
    say_what_teaches(scenes, bundle.spec)
    knots = [knot for knot in bundle.spec.knots if knot != 1]
    there = {scale for scene in scenes for scale in scene.scales}
    if missing := [f"x{knot:g}" for knot in knots if knot not in there]:
        raise ValueError(
            f"expected pairs at every training scale of the bundle, got none at {', '.join(missing)}; add them, "
            "or fit a bundle to the scales that you have"
        )
    device = pick_device(args.device)
    with sole_writer(out), Progress() as progress:
        budget = Budget(0, 60 * args.minutes) if args.minutes else Budget(STEPS)
        run = ShortRun(budget, args.seed, lambda *state: progress("noise network", *state))
        whole, choices = with_noise(bundle, load_scenes(spread_out(scenes), knots, device, "noise"), device, run)
        save_bundle(out, whole)
    deviations = list(_deviations(whole.noise, bundle.spec.cameras))
    if args.json:
        print_json({"bundle": out, "noise": deviations, "chosen": choices})
        return 0
    for choice in choices:
        say(f"{out}: noise: {choice}")
    for each in deviations:
        of = f" of {each.camera}" if each.camera else ""
        levels = f"{each.lowest:.1f} to {each.highest:.1f} gray levels of 255"
        say(f"{out}: noise{of} at x{each.scale:g} of {levels}, by level and local contrast")
    return 0


def _deviations(noise: Sequence[State], cameras: Sequence[str]) -> Iterator[Deviation]:
    for name, found in zip(cameras or ("",), noise, strict=True):
        if "tables" not in found:
            continue
        deviations = found["tables"][:, :2].square().sum(1).sqrt().flatten(1) * 255
        for scale, table in zip(found["scales"].tolist(), deviations, strict=True):
            yield Deviation(name, scale, float(table.min()), float(table.max()))
