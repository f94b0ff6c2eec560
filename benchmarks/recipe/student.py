"""One evaluation instead of a solver: both ways to teach a student, compared at equal training time.

    python -m benchmarks.recipe.student --work camera.fit --pairs PAIRS --layout city100 --scenes 061-070 --minutes 5

Takes the work folder of a ``degflow fit`` (without ``--one-step``): its last network is the teacher, its pairs and
cached windows are trained on. Students and teacher are compared on held-out pairs at all their scales within the
teacher's range. Writes JSON and a table; students are kept as bundles in ``--students``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

import degflow_aug
from benchmarks.shared.results import facts, markdown_table, results_folder, write_results
from degflow_aug.bundles.bundle import Bundle, load_bundle
from degflow_aug.bundles.names import LATEST
from degflow_aug.commands.shared.pairs_arguments import add_pairs_arguments, find_pairs, load_scenes
from degflow_aug.console.progress import Progress
from degflow_aug.data.layouts.find import find_scenes
from degflow_aug.degradations.generator.degflow import DegFlow
from degflow_aug.evaluation.evaluation import Method, evaluate_views
from degflow_aug.evaluation.rows import Row
from degflow_aug.fit.presets import StagePreset, preset, with_one_step
from degflow_aug.fit.stage_options import FitSettings, stage_options

METHODS = ("average", "consistency")
TEACHER = "teacher"


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="work folder of a finished fit")
    parser.add_argument("--pairs", required=True, help="held-out pairs")
    add_pairs_arguments(parser, split="Test")
    parser.add_argument("--limit", type=int, default=0, help="take the first N held-out scenes (default: all)")
    parser.add_argument("--minutes", type=float, default=5.0, help="training time of each student")
    parser.add_argument("--iters", type=int, default=0, help="iterations of each student instead of --minutes")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--lr", type=float, default=0.0, help="learning rate (default: the recipe's)")
    parser.add_argument(
        "--set", nargs="*", default=[], metavar="KEY=NUMBER", help="degflow options of the students, as image_weight=10"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--students", type=Path, default=Path("one_step"), help="folder of the students' checkpoints")
    parser.add_argument("--out", type=Path, help="results, without suffix (default: results/<device>/one_step)")
    return parser.parse_args(arguments)


def teacher_path(work: Path) -> Path:
    """The bundle that the last stage of a fit wrote."""
    plan = json.loads((work / "plan.json").read_text(encoding="utf-8"))
    stages = [stage for stage in plan["iterations"] if stage != "distill"]
    return work / stages[-1] / "models" / LATEST


def student_options(method: str, args: argparse.Namespace) -> tuple[dict[str, Any], StagePreset, FitSettings]:
    """Options of a student as ``degflow fit --one-step`` would make them, its stage's preset and its pairs."""
    request = json.loads((args.work / "plan.json").read_text(encoding="utf-8"))["request"]
    teacher = load_bundle(teacher_path(args.work))
    chosen = with_one_step(preset(request["preset"], request["recipe"]), method)
    recipe = chosen.stages["distill"]
    if args.lr:
        recipe = replace(recipe, lr=args.lr, floor=args.lr / 100)
    settings = FitSettings(
        scenes=find_scenes(request["pairs"], request["layout"], scenes=request["scenes"], **request["files"]),
        knots=request["knots"], camera=request["camera"], work=args.students / method, seed=args.seed,
        gpus=int(args.device == "cuda"),
    )  # fmt: skip
    opt = stage_options("distill", replace(chosen, stages={**chosen.stages, "distill": recipe}), settings)
    # The teacher's sizes and not the preset's, which may have changed since.
    opt["network_g"] = {"type": "NCSNpp", **teacher.velocity.spec, "end_time": True}
    changes = {key: float(value) for key, value in (change.split("=") for change in args.set)}
    opt["degflow"] |= {
        "teacher": str(teacher_path(args.work)), "kernel": str(args.work / "kernel.safetensors"), **changes,
    }  # fmt: skip
    return opt, recipe, settings


def train_students(args: argparse.Namespace) -> dict[str, Path]:
    """Train a student by each method on the same windows; returns their bundles."""
    degflow_aug.register()
    from degflow_aug.fit.camera_fit import FitPlan
    from degflow_aug.fit.stage_run import Budget, Schedule, StageRun, is_finished
    from degflow_aug.models.distill_model import LFMDistillModel

    found, crops = {}, None
    with Progress() as progress:
        for method in args.methods:
            opt, recipe, settings = student_options(method, args)
            found[method] = Path(opt["path"]["models"]) / LATEST
            asked = {key: getattr(args, key) for key in ("iters", "minutes", "lr", "set", "seed")}
            # A student trained otherwise is not taken for this one.
            FitPlan.open(args.students / method, {"teacher": opt["degflow"]["teacher"], **asked})
            if is_finished(opt):
                continue
            crops = crops or cached_crops(opt, recipe, settings, args, progress)
            StageRun(
                LFMDistillModel, opt, crops, Budget(args.iters, 60 * args.minutes),
                Schedule(recipe.lr, recipe.floor, recipe.warmup),
                lambda *state, method=method: progress(method, *state),
            ).run()  # fmt: skip
    return found


def cached_crops(
    opt: dict[str, Any], recipe: StagePreset, settings: FitSettings, args: argparse.Namespace, progress: Progress
) -> Any:
    """Crops of the training pairs' latents, as many windows as the recipe has (240 where it has none)."""
    from degflow_aug.fit.latent_cache import LatentCache, LatentCrops
    from degflow_aug.models.distill_model import LFMDistillModel

    model = LFMDistillModel(opt)
    multiple, unit = model.rae.multiple, model.get_bare_model(model.net_g).multiple
    side = min(256, settings.pairs().smallest_side) // multiple * multiple
    windows = recipe.windows or 240
    windows = min(windows, args.iters * recipe.batch or windows)
    cache = LatentCache(
        model, settings.pairs(side), windows=windows, with_images=True, seed=args.seed,
        progress=lambda done: progress("encode", done, windows, float("nan")),
    )  # fmt: skip
    return LatentCrops(cache, min(recipe.crop // multiple, cache.side) // unit * unit)


def compared(teacher: Bundle, students: Mapping[str, Path], device: torch.device) -> dict[str, Method]:
    """Views of the teacher with its own solver, of one Euler step of it, of the students, and of its RAE."""

    def views(bundle: Bundle, **settings: Any) -> Method:
        generator = DegFlow.from_bundle(bundle, **settings).to(device)
        return lambda hr, scale, real: generator.render(hr, scale)

    ceiling = DegFlow.from_bundle(teacher).to(device)
    own = f"{teacher.spec.solver}, {teacher.spec.steps} steps" if teacher.spec.steps > 1 else teacher.spec.solver
    return {
        f"{TEACHER} ({own})": views(teacher),
        f"{TEACHER} (euler, 1 step)": views(teacher, solver="euler", steps=1),
        **{f"student ({method})": views(load_bundle(path)) for method, path in students.items()},
        "RAE ceiling": lambda hr, scale, real: ceiling.reconstruct(hr, real, scale),
    }


def table(rows: list[Row]) -> str:
    """Y-PSNR in dB as a markdown table, a column per scale, and how far each is from the teacher at worst."""
    scales = sorted({row.scale for row in rows})
    values = {(row.method, row.scale): row.psnr_y for row in rows}
    teacher = rows[0].method
    lines = []
    for method in dict.fromkeys(row.method for row in rows):
        worst = min(values[method, scale] - values[teacher, scale] for scale in scales)
        lines.append([method, *(f"{values[method, scale]:.2f}" for scale in scales), f"{worst:+.2f}"])
    return markdown_table(["Y-PSNR, dB", *(f"{scale:g}" for scale in scales), "worst less teacher"], lines)


def main(arguments: list[str] | None = None) -> None:
    """Train, compare, write the results."""
    args = parse(arguments)
    students = train_students(args)
    teacher, device = load_bundle(teacher_path(args.work)), torch.device(args.device)
    scenes = find_pairs(args)[: args.limit or None]
    scales = sorted({scale for scene in scenes for scale in scene.scales if 1 < scale <= teacher.spec.knots[-1]})
    rows = evaluate_views(compared(teacher, students, device), load_scenes(scenes, scales, device))
    found = facts(
        device, seed=args.seed, minutes=args.minutes, changed=args.set, lr=args.lr, scenes=len(scenes),
        teacher=teacher.spec.training, knots=list(teacher.spec.knots),
        iterations={method: load_bundle(path).spec.training["iterations"] for method, path in students.items()},
    )  # fmt: skip
    text = table(rows)
    write_results(
        args.out or results_folder(device) / "one_step", {**found, "rows": [asdict(row) for row in rows]}, text
    )
    print(text)


if __name__ == "__main__":
    main()
