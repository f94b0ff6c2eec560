"""``degflow distill``: teach the generator of a bundle to a small student, and put that into the bundle."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from degflow_aug.commands.shared.arguments import bundle_output, count, pick_device, positive_number, whole_number
from degflow_aug.commands.shared.pairs_arguments import add_pairs_arguments, find_pairs, load_scenes
from degflow_aug.console.plain_text import say
from degflow_aug.console.progress import Progress, track
from degflow_aug.files.writing import sole_writer

if TYPE_CHECKING:
    import torch

    from degflow_aug.data.layouts.scene import Scene
    from degflow_aug.evaluation.evaluation import EvaluationScene

MOST_PHOTOS = 64


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("bundle", metavar="BUNDLE.safetensors", help="the bundle, which is written anew")
    parser.add_argument("--photos", metavar="DIR", help="folder of HR images, which the generator teaches by")
    parser.add_argument(
        "--pairs", metavar="DIR", help="folder of the real pairs it was trained on, whose LR teaches as well"
    )
    add_pairs_arguments(parser, split="Train")
    parser.add_argument("--out", metavar="FILE.safetensors", help="write it there and leave BUNDLE as it is")
    time = parser.add_mutually_exclusive_group()
    time.add_argument("--minutes", type=positive_number, metavar="M", help="time to train")
    time.add_argument("--iters", type=whole_number, metavar="N", help="steps to train (default: 6000)")
    parser.add_argument("--seed", type=count, default=0, help="of everything drawn (default: 0)")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (auto: a GPU where there is one)")


def run(args: argparse.Namespace) -> int:
    """Teach and write; returns 0.

    Raises:
        ValueError, OSError: no bundle with a generator, neither photos nor pairs, or images that are too small.
    """
    if args.photos is None and args.pairs is None:
        raise ValueError("expected --photos DIR or --pairs DIR, which the student is taught by, got neither")
    if args.pairs is None and (args.layout or args.pattern):
        raise ValueError("expected --layout and --pattern with --pairs DIR, which they are of, got none")
    out = bundle_output(args.out) if args.out is not None else None
    scenes = find_pairs(args) if args.pairs else []
    from degflow_aug.bundles.bundle import load_bundle, save_bundle
    from degflow_aug.bundles.spec import WEIGHTS, bundle_path
    from degflow_aug.fit.schedule import Budget
    from degflow_aug.fit.short_training import ShortRun
    from degflow_aug.fit.student_fit import with_students
    from degflow_aug.fit.student_training import STEPS

    bundle, path = load_bundle(args.bundle), bundle_path(args.bundle)
    if out is None and path.parent == WEIGHTS:
        raise ValueError(f"expected --out FILE.safetensors for a shipped bundle, got none; {path} would be overwritten")
    out, device = out or path, pick_device(args.device)
    budget = Budget(0, 60 * args.minutes) if args.minutes else Budget(args.iters or STEPS)
    knots = [knot for knot in bundle.spec.knots if knot != 1]
    if not args.photos:
        _check_cameras(bundle.spec.cameras, scenes)

    def taught_by(camera: str) -> Iterator[EvaluationScene]:
        return _taught_by(args.photos, [scene for scene in scenes if camera in ("", scene.camera)], knots, device)

    with sole_writer(out), Progress() as progress:
        run = ShortRun(budget, args.seed, lambda *state: progress("student", *state))
        save_bundle(out, with_students(bundle, taught_by, device, run))
    say(f"{out}: a student of {len(bundle.spec.cameras) or 1} camera{'s' * (len(bundle.spec.cameras) > 1)}; "
        "type: Student in an option file takes it")  # fmt: skip
    return 0


def _check_cameras(cameras: Sequence[str], scenes: list[Scene]) -> None:
    """Refuse pairs that lack one of several cameras.

    Raises:
        ValueError: they do.
    """
    without = set(cameras) - {scene.camera for scene in scenes}
    if without:
        raise ValueError(
            f"expected pairs of every camera of the bundle, got none of {min(without)}; add them, or --photos"
        )


def _taught_by(
    photos: str | None, scenes: list[Scene], knots: list[float], device: torch.device
) -> Iterator[EvaluationScene]:
    """HR images with the real views that there are: at most 64 of the pairs and of the photographs, evenly."""
    from degflow_aug.data.tensors import to_tensor
    from degflow_aug.evaluation.evaluation import EvaluationScene
    from degflow_aug.files.image_file import read_image
    from degflow_aug.files.image_tree import find_images
    from degflow_aug.fit.noise_fit import spread_out

    if scenes:
        yield from load_scenes(spread_out(scenes), knots, device, "teach")
    found = find_images(photos) if photos else []
    for image in track(found[:: -(-len(found) // MOST_PHOTOS) or 1], "teach", "image") if found else ():
        yield EvaluationScene(image.name, "", to_tensor(read_image(Path(image.path)))[None].to(device), {})
