"""``degflow distill``: teach the generator of a bundle to a small student, and put that into the bundle."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from degflow_aug.commands.shared.arguments import bundle_output, count, pick_device, positive_number, whole_number
from degflow_aug.commands.shared.pairs_arguments import (
    PAIRS_OPTIONS,
    add_pairs_arguments,
    find_pairs,
    load_scenes,
    say_what_teaches,
)
from degflow_aug.console.json_output import add_json_argument, print_json
from degflow_aug.console.plain_text import say
from degflow_aug.console.progress import Progress, track
from degflow_aug.files.writing import sole_writer

if TYPE_CHECKING:
    import torch

    from degflow_aug.bundles.bundle import GeneratorSpec
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
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Teach and write; returns 0.

    Raises:
        ValueError, OSError: no bundle with a generator, neither photos nor pairs, or images that are too small.
    """
    if args.photos is None and args.pairs is None:
        raise ValueError("expected --photos DIR or --pairs DIR, which the student is taught by, got neither")
    given = [name.replace("_", "-") for name in PAIRS_OPTIONS if getattr(args, name) is not None]
    if args.pairs is None and given:
        raise ValueError(f"expected --pairs DIR with --{given[0]}, which is of them, got none")
    out = bundle_output(args.out) if args.out is not None else None
    scenes = find_pairs(args) if args.pairs else []
    from degflow_aug.bundles.bundle import load_bundle, save_bundle
    from degflow_aug.bundles.likeness import students_in_words
    from degflow_aug.bundles.spec import WEIGHTS, bundle_path
    from degflow_aug.degradations.camera_choice import find_camera
    from degflow_aug.fit.schedule import Budget
    from degflow_aug.fit.short_training import ShortRun
    from degflow_aug.fit.student_fit import split_for_student, with_students
    from degflow_aug.fit.student_training import STEPS

    bundle, path = load_bundle(args.bundle), bundle_path(args.bundle)
    say_what_teaches(scenes, bundle.spec)
    if cameras := bundle.spec.cameras:
        scenes = [replace(scene, camera=cameras[find_camera(scene.camera, cameras)]) for scene in scenes]
    if out is None and path.parent == WEIGHTS:
        raise ValueError(f"expected --out FILE.safetensors for a shipped bundle, got none; {path} would be overwritten")
    out, device = out or path, pick_device(args.device)
    budget = Budget(0, 60 * args.minutes) if args.minutes else Budget(args.iters or STEPS)
    knots = [knot for knot in bundle.spec.knots if knot != 1]
    if not args.photos:
        _check_cameras(bundle.spec.cameras, scenes)

    def taught_by(camera: str) -> Iterator[EvaluationScene]:
        return _read(args.photos, split_for_student(camera, scenes, (), knots)[0], knots, device, "teach")

    def held_out(camera: str) -> Iterator[EvaluationScene]:
        return _read(None, split_for_student(camera, scenes, (), knots)[1], knots, device, "compare")

    with sole_writer(out), Progress() as progress:
        run = ShortRun(budget, args.seed, lambda *state: progress("student", *state))
        whole = with_students(bundle, taught_by, held_out, device, run)
        save_bundle(out, whole)
    if args.json:
        print_json({"bundle": out, "students": _students(whole.spec)})
        return 0
    say(f"{out}: student: {students_in_words(whole.spec)}; type: Student in an option file takes it")
    return 0


def _students(spec: GeneratorSpec) -> list[dict[str, Any]]:
    """The students for ``--json``; nothing is known of one that was not compared."""
    from degflow_aug.bundles.likeness import read_likenesses

    cameras = spec.cameras or (spec.camera,)
    unknown = {"psnr_y": None, "generator_psnr_y": None, "scenes": 0, "holds": None}
    return [
        {"camera": camera, **({**vars(found), "holds": found.holds} if found else unknown)}
        for camera, found in zip(cameras, read_likenesses(spec), strict=True)
    ]


def _check_cameras(cameras: Sequence[str], scenes: list[Scene]) -> None:
    """Refuse pairs that lack one of several cameras.

    Raises:
        ValueError: they do.
    """
    without = [camera for camera in cameras if camera not in {scene.camera for scene in scenes}]
    if without:
        raise ValueError(
            f"expected pairs of every camera of the bundle, got none of {without[0]}; add them, or --photos"
        )


def _read(
    photos: str | None, scenes: Sequence[Scene], knots: list[float], device: torch.device, stage: str
) -> Iterator[EvaluationScene]:
    """Scenes with their real views, and at most 64 photographs, evenly."""
    from degflow_aug.data.tensors import to_tensor
    from degflow_aug.evaluation.evaluation import EvaluationScene
    from degflow_aug.files.image_file import read_image
    from degflow_aug.files.image_tree import find_images

    if scenes:
        yield from load_scenes(scenes, knots, device, stage)
    found = find_images(photos) if photos else []
    for image in track(found[:: -(-len(found) // MOST_PHOTOS) or 1], stage, "image") if found else ():
        yield EvaluationScene(image.name, "", to_tensor(read_image(Path(image.path)))[None].to(device), {})
