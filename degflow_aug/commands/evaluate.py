"""``degflow evaluate``: a bundle's views against real pairs, per camera and scale, with the baselines as rows."""
from __future__ import annotations

import argparse
import json
import math
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from degflow_aug.commands.arguments import (
    add_generator_arguments,
    argument,
    build_generator,
    one_of,
    parse_scales,
    whole_number,
)

if TYPE_CHECKING:
    import torch

    from degflow_aug.data.scene import Scene
    from degflow_aug.degradations.degflow import DegFlow
    from degflow_aug.models.evaluation import EvaluationScene, Row

LAYOUTS = ("realsr", "realsr_v3", "city100", "pattern")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("bundle", metavar="BUNDLE", help="a .safetensors file, or the name of a shipped bundle")
    parser.add_argument("--pairs", required=True, metavar="DIR", help="folder of the real pairs")
    parser.add_argument("--layout", required=True, type=one_of(*LAYOUTS), metavar="NAME", help=", ".join(LAYOUTS))
    parser.add_argument(
        "--pattern", metavar="FILE.yml", help="for layout pattern: hr: HR/{id}.png, views: {2: LR2/{id}.png}"
    )
    parser.add_argument("--split", default="Test", help="for the RealSR layouts: Train or Test (default: Test)")
    parser.add_argument("--cameras", metavar="A,B", help="cameras to take (default: all)")
    parser.add_argument("--scenes", metavar="061-070,075", help="scenes to take (default: all)")
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
    from degflow_aug.models.evaluation import evaluate_views, format_table, methods_for

    methods = methods_for(generator, note=lambda text: print(f"degflow: {text}", file=sys.stderr))
    rows = evaluate_views(methods, _load(scenes, scales, next(generator.parameters()).device))
    if args.json:
        table = {"bundle": args.bundle, "pairs": args.pairs, "rows": [_plain(row) for row in rows]}
        print(json.dumps(table, allow_nan=False))
    else:
        print(format_table(rows))
    return 0


def _find_scenes(args: argparse.Namespace) -> list[Scene]:
    from degflow_aug.data.layouts import find_scenes
    from degflow_aug.yaml_options import load_yaml

    if (args.pattern is None) == (args.layout == "pattern"):
        given = f"--pattern {args.pattern}" if args.pattern else "no --pattern"
        raise ValueError(f"expected --pattern FILE.yml with --layout pattern only, got {given} with {args.layout}")
    found = find_scenes(
        args.pairs, args.layout, split=args.split, pattern=load_yaml(Path(args.pattern)) if args.pattern else None,
        cameras=args.cameras.split(",") if args.cameras else None, scenes=args.scenes,
    )
    counts: Counter[str] = Counter()
    taken = []
    for scene in found:
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


def _load(scenes: list[Scene], scales: list[float], device: torch.device) -> Iterator[EvaluationScene]:
    """Whole scenes on the device, one at a time; those without any of the scales are left out."""
    from tqdm import tqdm

    from degflow_aug.data.aligned_scales import AlignedScales
    from degflow_aug.models.evaluation import EvaluationScene

    dataset = AlignedScales(scenes, [1.0, *scales], incomplete="keep", cache_bytes=0)
    for index in tqdm(range(len(dataset)), unit="scene", disable=None, file=sys.stderr):
        item = dataset[index]
        views = {
            scale: view[None].to(device)
            for scale, view, there in zip(scales, item["views"], item["available"], strict=True)
            if there
        }
        yield EvaluationScene(item["name"], item["camera"], item["hr"][None].to(device), views)


def _plain(row: Row) -> dict[str, Any]:
    """A row for JSON, which has no infinity: equal images have a Y-PSNR of null."""
    values = asdict(row).items()
    return {key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in values}
