"""``degflow evaluate``: a bundle's views against real pairs, per camera and scale, with the baselines as rows."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from degflow_aug.commands.arguments import (
    add_generator_arguments,
    argument,
    build_generator,
    parse_scales,
    whole_number,
)
from degflow_aug.commands.pairs import add_pairs_arguments, find_pairs, load_scenes

if TYPE_CHECKING:
    from degflow_aug.data.scene import Scene
    from degflow_aug.degradations.degflow import DegFlow
    from degflow_aug.models.evaluation import Row


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("bundle", metavar="BUNDLE", help="a .safetensors file, or the name of a shipped bundle")
    parser.add_argument("--pairs", required=True, metavar="DIR", help="folder of the real pairs")
    add_pairs_arguments(parser, split="Test")
    parser.add_argument("--limit", type=whole_number, metavar="N", help="take the first N scenes of each camera")
    parser.add_argument(
        "--knots", type=argument(parse_scales), metavar="2,4", help="scales to take (default: all that the pairs have)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    add_generator_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Print the table; returns 0.

    Raises:
        ValueError, OSError: no bundle, no pairs, or pairs that the bundle cannot be compared with.
    """
    scenes = _find_scenes(args)
    generator = build_generator(args.bundle, args)
    scales = _scales(scenes, generator, args.knots)
    from degflow_aug.models.camera_evaluation import evaluate_generator
    from degflow_aug.models.evaluation import format_table

    _check_cameras(scenes, generator)
    loaded = load_scenes(scenes, scales, next(generator.parameters()).device)
    rows = evaluate_generator(generator, loaded, note=lambda text: print(f"degflow: {text}", file=sys.stderr))
    if args.json:
        table = {"bundle": args.bundle, "pairs": args.pairs, "rows": [_plain(row) for row in rows]}
        print(json.dumps(table, allow_nan=False))
    else:
        print(format_table(rows))
    return 0


def _find_scenes(args: argparse.Namespace) -> list[Scene]:
    counts: Counter[str] = Counter()
    taken = []
    for scene in find_pairs(args):
        counts[scene.camera] += 1
        if args.limit is None or counts[scene.camera] <= args.limit:
            taken.append(scene)
    return taken


def _scales(scenes: list[Scene], generator: DegFlow, knots: tuple[float, ...] | None) -> list[float]:
    """Scales to compare at: those named, or all of the pairs.

    Raises:
        ValueError: the pairs lack a named scale, or the generator's range one of theirs.
    """
    there = sorted({scale for scene in scenes for scale in scene.scales})
    named = [scale for scale in knots or () if scale != 1]
    shown = ", ".join(f"{scale:g}" for scale in there)
    for scale in named:
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


def _check_cameras(scenes: list[Scene], generator: DegFlow) -> None:
    """Refuse scenes of a camera that a bundle of several does not know, before any is read.

    Raises:
        ValueError: such a scene.
    """
    if not generator.cameras or generator.camera:
        return
    from degflow_aug.degradations.camera_choice import find_camera

    for camera in dict.fromkeys(scene.camera for scene in scenes):
        try:
            find_camera(camera, generator.cameras)
        except ValueError as error:
            raise ValueError(f"{error} for pairs; name the camera to compare them with as --camera") from None


def _plain(row: Row) -> dict[str, Any]:
    """A row for JSON, which has no infinity: equal images have a Y-PSNR of null."""
    values = asdict(row).items()
    return {key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in values}
