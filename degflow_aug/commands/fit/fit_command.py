"""``degflow fit``: learn a camera from its pairs, all stages in one command."""

from __future__ import annotations

import argparse
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from degflow_aug.commands.fit.after_networks import learn_noise, share_after, teach_student
from degflow_aug.commands.fit.kernel import ALONE, check_alone, forget_kept, run_kernel_preset
from degflow_aug.commands.fit.outcome import measure, show, summary
from degflow_aug.commands.fit.start import DEFAULT_MINUTES, content_of, note_start, work_folder
from degflow_aug.commands.shared.arguments import (
    argument,
    bundle_output,
    count,
    one_of,
    parse_scales,
    pick_device,
    positive_number,
    process_of_group,
    started_as,
    up_to,
    whole_number,
)
from degflow_aug.commands.shared.pairs_arguments import (
    add_oracle_argument,
    add_pairs_arguments,
    cameras_apart,
    cameras_of,
    how_found,
    knots_of,
    split_scenes,
)
from degflow_aug.console.json_output import add_json_argument, print_json, said_to_people
from degflow_aug.console.plain_text import say
from degflow_aug.console.progress import Progress, note
from degflow_aug.files.writing import sole_writer
from degflow_aug.report.report_file import add_report_argument, check_report, exit_code

if TYPE_CHECKING:
    import torch

    from degflow_aug.bundles.bundle import Bundle, KernelBundle
    from degflow_aug.data.layouts.scene import Scene
    from degflow_aug.fit.camera_fit import CameraFit


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("pairs", metavar="PAIRS", help="folder of the real pairs")
    add_pairs_arguments(parser, split="Train")
    parser.add_argument(
        "--knots", type=argument(parse_scales), metavar="1,2,4", help="scales to learn (default: all there are)"
    )
    parser.add_argument(
        "--held-out",
        metavar="061-070",
        default="auto",
        help="scenes for the report at the end, or none (default: of each camera those not in --scenes, else a tenth)",
    )
    _add_recipe_arguments(parser)
    parser.add_argument("--out", required=True, metavar="FILE.safetensors", help="the bundle to write")
    parser.add_argument("--work", metavar="DIR", help="checkpoints, for resuming (default: FILE.fit)")
    parser.add_argument("--camera", metavar="NAME", help="name kept in the bundle (default: that of the pairs)")
    parser.add_argument(
        "--cameras-apart",
        action=argparse.BooleanOptionalAction,
        help="learn pairs of several cameras as a camera each, or as one (default: apart; recipe paper: as one)",
    )
    parser.add_argument("--seed", type=count, default=0, help="of everything drawn (default: 0)")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (auto: a GPU where there is one)")
    add_report_argument(parser, "NAME.report.html beside --out")
    add_oracle_argument(parser)
    add_json_argument(parser)
    parser.add_argument(
        "--save-every",
        type=positive_number,
        default=60.0,
        metavar="SECONDS",
        help="time between checkpoints (default: 60)",
    )
    parser.add_argument(
        "--workers",
        type=up_to(1024, 0),
        default=None,
        metavar="N",
        help="processes that load images (default: by device)",
    )


def _add_recipe_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--preset",
        default="small",
        type=one_of("tiny", "small", "official", *ALONE),
        help="tiny, small (default) or official; without networks: pipeline (blur of light, tone curve, sharpening) or "
        "kernel (linear)",
    )
    parser.add_argument("--recipe", type=one_of("ours", "paper"), help="ours or paper (default: ours; official: paper)")
    parser.add_argument(
        "--lpips-vgg",
        default="",
        metavar="FILE",
        help="torchvision's VGG16 weights for the paper recipe, or none to train without LPIPS (default: its cache)",
    )
    parser.add_argument(
        "--one-step",
        nargs="?",
        const="average",
        type=one_of("average", "consistency"),
        metavar="METHOD",
        help="end with a student that takes one evaluation: average (also without METHOD) or consistency",
    )
    parser.add_argument(
        "--minutes", type=positive_number, metavar="M", help=f"time to train (default: {DEFAULT_MINUTES:g})"
    )
    parser.add_argument(
        "--iters",
        type=whole_number,
        metavar="N",
        help="iterations of all stages together, instead of --minutes; without networks: of the noise (default: 400)",
    )


def run(args: argparse.Namespace) -> int:
    """Train, write the bundle and print the table; returns 0, or 1 without the page that was asked for.

    Raises:
        ValueError, OSError: pairs or options that cannot be used, or a work folder of another fit.
    """
    bundle_output(args.out)
    check_report(args, args.out)
    if args.minutes and args.iters:
        raise ValueError("expected --minutes or --iters, got both; leave one out")
    alone = args.preset in ALONE
    if alone:
        check_alone(args)
    training, held_out = split_scenes(args)
    rank, world = process_of_group()
    if rank:
        # The first process fits cameras without networks, teaches a student, learns noise, writes and shows.
        if not alone:
            train(args, training)
        return 0
    if alone and world > 1:
        note(f"--preset {args.preset} is fitted in one process; the others of torchrun have nothing to do")
    with said_to_people(args):
        with sole_writer(args.out):
            bundle: Bundle | KernelBundle
            if alone:
                bundle = run_kernel_preset(args, training, work_folder(args))
            else:
                bundle = teach_student(args, train(args, training), training, held_out)
            bundle = learn_noise(args, bundle, training)
            from degflow_aug.bundles.bundle import save_bundle

            save_bundle(args.out, bundle)
            forget_kept(work_folder(args))
        say(f"{args.out}: {bundle.spec.camera} at knots {', '.join(f'{knot:g}' for knot in bundle.spec.knots)}")
        if bundle.spec.cameras:
            say(f"it tells {', '.join(bundle.spec.cameras)} apart: name one as camera, or weights by name, or any")
        if not held_out and args.held_out != "none":
            say("too few scenes to hold any out: the table is of those trained on")
        shown = [] if args.held_out == "none" else held_out or training
        outcome = measure(bundle, shown, bool(held_out), pick_device(args.device))
        if outcome.rows:
            from degflow_aug.evaluation.rows import format_table

            say(*format_table(outcome.rows, args.oracle).split("\n"))
    page = show(args, work_folder(args), bundle, outcome)
    if args.json:
        print_json({**summary(Path(args.out), bundle, outcome), "report": page})
    return exit_code(args, page)


def train(args: argparse.Namespace, scenes: list[Scene]) -> Bundle:
    """Train all stages, with the other processes of torchrun where there are some; returns the bundle of networks."""
    first = process_of_group()[0] == 0
    with Progress(shown=first) as progress:
        fit = prepare(args, scenes, progress)
        from degflow_aug.fit.peers import together
        from degflow_aug.models.training import interrupt

        work = fit.settings.work
        lock = sole_writer(work, work / ".lock") if first else nullcontext()
        with lock, together(fit.settings.world, pick_device(args.device)) as fit.peers, interrupt.stoppable():
            return fit.run()


def prepare(args: argparse.Namespace, scenes: list[Scene], progress: Progress) -> CameraFit:
    """The fit that ``args`` asks for, with its plan opened."""
    from degflow_aug.plugin import register

    register()
    from degflow_aug.compat.history import device_name
    from degflow_aug.fit.camera_fit import CameraFit, FitPlan
    from degflow_aug.fit.presets import for_knots, preset, with_lpips, with_one_step
    from degflow_aug.fit.stage_options import FitSettings, check_sides

    work = work_folder(args)
    if work.exists() and not work.is_dir():
        raise ValueError(f"expected --work to be a folder, got the file {work}")
    gpus = _taken(pick_device(args.device))
    knots = knots_of(args.knots, scenes)
    minutes = 0.0 if args.iters else args.minutes or DEFAULT_MINUTES
    camera = args.camera or cameras_of(scenes)
    recipe = args.recipe or ("paper" if args.preset == "official" else "ours")
    apart = cameras_apart(args.cameras_apart, recipe, scenes)
    request = {
        "pairs": str(Path(args.pairs).resolve()), "layout": args.layout,
        "scenes": [f"{scene.camera}/{scene.name}" for scene in scenes],
        "knots": list(knots), "preset": args.preset, "recipe": recipe, "minutes": minutes, "iters": args.iters or 0,
        "seed": args.seed, "camera": camera, "files": how_found(args), "one_step": args.one_step,
        "cameras": apart or None, "content": content_of(scenes, Path(args.pairs)),
    }  # fmt: skip
    chosen = for_knots(preset(args.preset, recipe), len(knots))
    chosen = with_lpips(with_one_step(chosen, args.one_step) if args.one_step else chosen, args.lpips_vgg)
    rank, world = process_of_group()
    settings = FitSettings(
        scenes=scenes, knots=knots, camera=camera, work=work, seed=args.seed, gpus=gpus,
        workers=args.workers if args.workers is not None else 4 * gpus, cameras=apart,
        incomplete="keep" if args.layout == "realsr_v3" else "refuse", rank=rank, world=world,
    )  # fmt: skip
    check_sides(chosen, settings)
    plan = FitPlan.open(work, request, new=rank == 0)
    if rank == 0:
        note_start(work, started_as(args), device_name(bool(gpus)), exact=bool(args.iters))
    return CameraFit(
        chosen,
        settings,
        plan,
        minutes=minutes * (1 - share_after(minutes)),
        iterations=args.iters or 0,
        save_seconds=args.save_every,
        report=progress,
    )


def _taken(device: torch.device) -> int:
    """How many GPUs this process fits on; models take the one that is current."""
    if device.type != "cuda":
        return 0
    import torch

    torch.cuda.set_device(device)
    return 1
