"""``degflow evaluate``: compare a bundle's views with real ones per camera and scale, with the baselines."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from degflow_aug.commands.shared.arguments import (
    NUMBER,
    add_generator_arguments,
    argument,
    build_generator,
    count,
    parse_scales,
    pick_device,
    started_as,
    whole_number,
)
from degflow_aug.commands.shared.pairs_arguments import (
    add_oracle_argument,
    add_pairs_arguments,
    find_pairs,
    load_scenes,
)
from degflow_aug.console.json_output import add_json_argument, plain, print_json
from degflow_aug.console.plain_text import say
from degflow_aug.console.progress import note
from degflow_aug.files.writing import fitting_path
from degflow_aug.report.report_file import NONE, add_report_argument, check_report, exit_code, report_at_the_end

if TYPE_CHECKING:
    from typing import TypeAlias

    from degflow_aug.data.layouts.scene import Scene
    from degflow_aug.degradations.base import Degradation
    from degflow_aug.degradations.fitted.fitted_kernel import FittedKernel
    from degflow_aug.degradations.generator.degflow import DegFlow
    from degflow_aug.evaluation.evaluation import Evaluation, EvaluationScene
    from degflow_aug.evaluation.realism_rows import RealismRow

    Generator: TypeAlias = DegFlow | FittedKernel


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("bundle", metavar="BUNDLE", help="a .safetensors file, or the name of a shipped bundle")
    parser.add_argument("--pairs", required=True, metavar="DIR", help="folder of the real pairs")
    add_pairs_arguments(parser, split="Test")
    parser.add_argument("--limit", type=whole_number, metavar="N", help="take the first N scenes of each camera")
    parser.add_argument(
        "--knots", type=argument(parse_scales), metavar="2,4", help="scales to take (default: all that the pairs have)"
    )
    parser.add_argument(
        "--beside",
        action="append",
        default=[],
        metavar="BUNDLE",
        help="another bundle, in a row of its name; repeatable",
    )
    add_oracle_argument(parser)
    parser.add_argument(
        "--noise", type=argument(_strength), metavar="STRENGTH",
        help="measure as well how real BUNDLE's LR with noise of this strength is, by a two-sample test (1: the "
        "pairs' own, 0: none)",
    )  # fmt: skip
    parser.add_argument("--seed", type=count, metavar="N", help="of that noise and test (default: 0)")
    add_json_argument(parser)
    add_report_argument(parser, "NAME.evaluation.html beside the bundle; of a shipped one, here")
    add_generator_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Print the table; returns 0, or 1 where the page that was asked for could not be written.

    Raises:
        ValueError, OSError: no bundle, no pairs, or pairs that the bundle cannot be compared with.
    """
    if args.seed is not None and args.noise is None:
        raise ValueError(f"expected --seed with --noise, which it is for, got --seed {args.seed} alone; add --noise 1")
    check_report(args, args.bundle)
    scenes = _find_scenes(args)
    generator = build_generator(args.bundle, args, args.noise or 0.0)
    scales = _scales(scenes, generator, args.knots)
    from degflow_aug.evaluation.realism_rows import format_realism
    from degflow_aug.evaluation.rows import format_table
    from degflow_aug.evaluation.samples import draw_samples
    from degflow_aug.metrics.fidelity import SSIM_WINDOW
    from degflow_aug.report.evaluation_report import evaluation_report

    _check_cameras(scenes, generator)
    opponents = _opponents(args, generator)
    for opponent in opponents.values():
        _check_cameras(scenes, opponent)
    _check_reach(opponents, scales)
    read = load_scenes(scenes, scales, pick_device(args.device), least=SSIM_WINDOW)
    (rows, middles), real = _measure(args, generator, read, opponents)
    found = [plain(row) for row in rows]
    page = None
    if args.report != NONE:
        page = report_at_the_end(
            Path(args.report) if args.report else _beside(args.bundle),
            lambda: evaluation_report(
                _name(args.bundle), found, draw_samples(generator, middles), _facts(args), args.oracle, real
            ),
        )
    if args.json:
        measured = {} if args.noise is None else {"noise": args.noise, "seed": args.seed or 0, "realism": real}
        print_json({"bundle": args.bundle, "pairs": args.pairs, "rows": found, "report": page, **measured})
    else:
        say(*format_table(rows, args.oracle).split("\n"))
        if real:
            say("", *format_realism(real).split("\n"))
    return exit_code(args, page)


def _measure(
    args: argparse.Namespace, generator: Generator, scenes: Iterable[EvaluationScene], opponents: dict[str, Degradation]
) -> tuple[Evaluation, list[RealismRow]]:
    """Compare views with the real ones, and with ``--noise`` LR as well."""
    from degflow_aug.evaluation.evaluation import evaluate_generator
    from degflow_aug.evaluation.realism import Realism

    if args.noise is None:
        return evaluate_generator(generator, scenes, note, opponents), []
    generator.seed(args.seed or 0)
    gathered = Realism(generator)
    return evaluate_generator(generator, scenes, note, opponents, gathered.add), gathered.rows(args.seed or 0)


def _strength(text: str) -> float:
    """Parse a strength of noise, as option files have it."""
    if not NUMBER.fullmatch(text) or not float(text) <= 100:
        raise ValueError(f"expected a number from 0 to 100, got '{text}'")
    return float(text)


def _find_scenes(args: argparse.Namespace) -> list[Scene]:
    counts: Counter[str] = Counter()
    taken = []
    for scene in find_pairs(args):
        counts[scene.camera] += 1
        if args.limit is None or counts[scene.camera] <= args.limit:
            taken.append(scene)
    return taken


def _scales(scenes: list[Scene], generator: Degradation, knots: tuple[float, ...] | None) -> list[float]:
    """Scales to compare at: those named, or all of the pairs.

    Raises:
        ValueError: the pairs lack a named scale, or the generator's range one of theirs.
    """
    there = sorted({scale for scene in scenes for scale in scene.scales})
    named = [scale for scale in knots or () if scale != 1]
    shown = ", ".join(f"{scale:g}" for scale in there)
    for scale in named or knots or ():
        if scale not in there:
            raise ValueError(f"expected --knots among the scales of the pairs ({shown}), got {scale:g}")
    low, high = generator.scale_range
    for scale in named or there:
        if not low <= scale <= high:
            raise ValueError(
                f"expected pairs at scales from {low:g} to {high:g}, the range of the bundle, got {scale:g}; name "
                "the scales to compare at with --knots"
            )
    return named or there


def _opponents(args: argparse.Namespace, generator: Generator) -> dict[str, Degradation]:
    """Build the bundles of ``--beside``, by the names of their rows.

    Raises:
        ValueError: no bundle, or two rows of one name.
    """
    from degflow_aug.evaluation.evaluation import methods_for

    found: dict[str, Degradation] = {}
    for bundle in args.beside:
        name = _name(bundle)
        if name in found or name in methods_for(generator):
            raise ValueError(f"expected --beside bundles whose names no other row has, got {name!r}; rename the file")
        found[name] = build_generator(bundle, args)
    return found


def _check_reach(opponents: dict[str, Degradation], scales: Iterable[float]) -> None:
    """Say which scales a bundle of ``--beside`` does not make, whose cells stay empty.

    Raises:
        ValueError: it makes none.
    """
    asked = tuple(scales)
    for name, opponent in opponents.items():
        highest = opponent.scale_range[1]
        beyond = [f"x{scale:g}" for scale in asked if scale > highest + 1e-6]
        shown = ", ".join(beyond)
        if beyond and len(beyond) == len(asked):
            raise ValueError(
                f"expected pairs at scales up to {highest:g} for --beside {name}, got {shown}; leave it out"
            )
        if beyond:
            note(f"{name} makes no LR at {shown}: it has no cell there")


def _check_cameras(scenes: list[Scene], generator: Degradation) -> None:
    """Refuse scenes of a camera that a bundle of several does not know, before any is read.

    Raises:
        ValueError: such a scene.
    """
    from degflow_aug.degradations.camera_choice import find_camera
    from degflow_aug.degradations.generator.several_cameras import cameras_to_name

    known = cameras_to_name(generator)
    for camera in dict.fromkeys(scene.camera for scene in scenes if known):
        try:
            find_camera(camera, known)
        except ValueError as error:
            raise ValueError(f"{error} for pairs; name the camera to compare them with as --camera") from None


def _name(bundle: str) -> str:
    return Path(bundle).name.removesuffix(".safetensors")


def _beside(bundle: str) -> Path:
    """Where the page goes: beside the bundle, but not into the package."""
    from degflow_aug.bundles.spec import WEIGHTS, bundle_path

    path = bundle_path(bundle)
    folder = Path() if path.parent == WEIGHTS else path.parent
    return fitting_path(folder / f"{_name(bundle)}.evaluation.html")


def _facts(args: argparse.Namespace) -> dict[str, str]:
    from degflow_aug.bundles.bundle import read_spec
    from degflow_aug.report.sources import duration

    spec = read_spec(args.bundle)
    training = {key: str(value) for key, value in spec.training.items() if key in ("preset", "recipe")}
    if isinstance(spec.training.get("seconds"), (int, float)):
        training["training"] = duration(spec.training["seconds"])
    return {
        "command": started_as(args), "bundle": f"{args.bundle}, of {spec.camera or 'an unnamed camera'} at knots "
        f"{', '.join(f'{knot:g}' for knot in spec.knots)}", "pairs": f"{args.pairs} ({args.layout})", **training,
    }  # fmt: skip
