"""Which recipe makes views at scales nobody photographed: ours, and ours with one thing changed at a time.

    python -m benchmarks.recipe --pairs sim/train --test-pairs sim/test --layout pattern \\
        --pattern sim/train/pattern.yml --knots 1 2 4 --name simulator
    python -m benchmarks.recipe --pairs City100/City100_iPhoneX --train 001-060 --test 061-070 --name city100_iphone

Every variant is trained for the same processor time of one thread, with every seed, and its views are compared with
those of held-out pairs at all their scales. A variant whose first stages are those of another run takes them from it.
Runs that are finished are not run again. Writes JSON and a table.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

import degflow_aug
from benchmarks.recipe.variants import VARIANTS, Variant
from benchmarks.shared.results import RESULTS, facts, markdown_table, write_results
from degflow_aug.commands.shared.pairs_arguments import load_scenes
from degflow_aug.console.progress import Progress
from degflow_aug.data.layouts.find import find_scenes
from degflow_aug.degradations.fitted.fitted_kernel import FittedKernel
from degflow_aug.degradations.generator.degflow import DegFlow
from degflow_aug.evaluation.evaluation import Method, evaluate_views
from degflow_aug.evaluation.rows import Row
from degflow_aug.fit.camera_fit import CameraFit, FitPlan
from degflow_aug.fit.presets import Preset, for_knots, preset
from degflow_aug.fit.stage_options import FitSettings
from degflow_aug.options.yaml_file import load_yaml


@dataclass(frozen=True)
class Trained:
    """One variant, trained with one seed: its metrics by scale, and what it cost."""

    variant: str
    seed: int
    rows: list[Row]
    iterations: dict[str, int]


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=Path, required=True, help="folder of the pairs to train on")
    parser.add_argument("--test-pairs", type=Path, help="folder of the held-out pairs (default: the same)")
    parser.add_argument("--layout", default="city100")
    parser.add_argument("--pattern", type=Path, help="pattern file of --layout pattern")
    parser.add_argument("--train", help="scenes to train on (default: all)")
    parser.add_argument("--test", help="scenes held out (default: all)")
    parser.add_argument("--limit", type=int, default=0, help="take the first N held-out scenes (default: all)")
    parser.add_argument("--knots", type=float, nargs="+", default=[1.0, 2.9])
    parser.add_argument("--preset", default="small")
    parser.add_argument("--minutes", type=float, default=4.0, help="processor minutes of each fit")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS), metavar="NAME")
    parser.add_argument("--name", required=True, help="of the result files")
    parser.add_argument("--work", type=Path, default=Path("recipes"))
    parser.add_argument("--out", type=Path, help="results, without suffix (default: results/recipes_NAME)")
    return parser.parse_args(arguments)


def source(args: argparse.Namespace, root: Path, scenes: str | None) -> dict[str, Any]:
    """Where pairs lie, as a dataset section says it."""
    found: dict[str, Any] = {"dataroot_gt": str(root), "layout": args.layout}
    if args.pattern:
        found["pattern"] = load_yaml(args.pattern)
    return {**found, "scenes": scenes} if scenes else found


def held_out(args: argparse.Namespace) -> tuple[list[Any], list[float]]:
    """Held-out scenes and all scales they have."""
    where = source(args, args.test_pairs or args.pairs, args.test)
    root = where.pop("dataroot_gt")
    scenes = find_scenes(root, where.pop("layout"), **where)[: args.limit or None]
    return scenes, sorted({scale for scene in scenes for scale in scene.scales} - {1.0})


def camera_fit(name: str, seed: int, args: argparse.Namespace, progress: Progress) -> CameraFit:
    """The fit of a variant with a seed, in its folder."""
    variant: Variant = VARIANTS[name]
    knots = (1.0, *held_out(args)[1]) if variant.every_scale else tuple(args.knots)
    chosen: Preset = variant.change(for_knots(preset(args.preset, "ours"), len(knots)))
    work = args.work / args.name / args.preset / f"{name.replace(' ', '_')}_{seed}"
    asked = {"preset": args.preset, "recipe": name, "scenes": [], "minutes": args.minutes, "seed": seed}
    plan = FitPlan.open(work, asked)
    where = source(args, args.pairs, args.train)
    scenes = find_scenes(where.pop("dataroot_gt"), where.pop("layout"), split="Train", **where)
    settings = FitSettings(scenes=scenes, knots=knots, camera=args.name, work=work, seed=seed)
    return CameraFit(chosen, settings, plan, minutes=args.minutes, report=progress, save_seconds=1e9)


def take_stages(fit: CameraFit, others: Mapping[str, CameraFit]) -> None:
    """Copy the first stages from a finished fit that trained them alike; their time counts here as well."""
    for stage, recipe in fit.preset.stages.items():
        if (fit.settings.work / stage).is_dir():
            continue
        for other in others.values():
            if stage in other.plan.iterations and _alike(fit, other, stage):
                shutil.copytree(other.settings.work / stage, fit.settings.work / stage)
                shutil.copy(other.settings.work / "kernel.safetensors", fit.settings.work)
                fit.plan.iterations[stage] = other.plan.iterations[stage]
                fit.plan.seconds += 60 * fit.minutes * recipe.share
                fit.plan.write()
                break
        else:
            return


def _alike(fit: CameraFit, other: CameraFit, last: str) -> bool:
    """Whether two fits trained every stage up to ``last`` with the same options on the same pairs."""
    stages = list(fit.preset.stages)
    upto = stages[: stages.index(last) + 1]
    asked, given = ((each.settings.knots, each.settings.scenes) for each in (fit, other))
    unlike = asked != given or fit.preset.pipeline != other.preset.pipeline
    if unlike or list(other.preset.stages)[: len(upto)] != upto:
        return False

    def trained(each: CameraFit, stage: str) -> str:
        opt = {**each.options(stage), "share": each.preset.stages[stage].share}
        return json.dumps(opt, sort_keys=True, default=str).replace(str(each.settings.work), "")

    return all(trained(fit, stage) == trained(other, stage) for stage in upto)


def measure(fit: CameraFit, args: argparse.Namespace) -> list[Row]:
    """Rows of the generator at every scale of the held-out pairs."""
    bundle = fit.run()
    generator = DegFlow.from_bundle(bundle)
    scenes, scales = held_out(args)
    methods: dict[str, Method] = {"DegFlow": lambda hr, scale, real: generator.render(hr, scale)}
    return evaluate_views(methods, load_scenes(scenes, scales, torch.device("cpu")))


@contextmanager
def processor_clock() -> Iterator[None]:
    """Have the clock that fits go by count this process's processor time."""
    clock = time.monotonic
    time.monotonic = time.process_time
    try:
        yield
    finally:
        time.monotonic = clock


def train(name: str, seed: int, done: dict[str, CameraFit], args: argparse.Namespace) -> Trained:
    """Train a variant, or read what an earlier run has measured."""
    with Progress() as progress, processor_clock():
        fit = camera_fit(name, seed, args, progress)
        file = fit.settings.work / "rows.json"
        if not file.is_file():
            take_stages(fit, done)
            rows = [asdict(row) for row in measure(fit, args)]
            file.write_text(json.dumps(rows), encoding="utf-8")
    done[name] = fit
    return Trained(name, seed, [Row(**row) for row in json.loads(file.read_text())], dict(fit.plan.iterations))


def baselines(fit: CameraFit, args: argparse.Namespace) -> list[Row]:
    """Bicubic, and the kernel that was fitted at the knots."""
    from degflow_aug.degradations.bicubic import Bicubic

    kernel: FittedKernel = fit.kernel()
    bicubic = Bicubic()
    methods: dict[str, Method] = {
        "bicubic": lambda hr, scale, real: bicubic.render(hr, scale),
        "fitted kernel": lambda hr, scale, real: kernel.render(hr, scale),
    }
    scenes, scales = held_out(args)
    return evaluate_views(methods, load_scenes(scenes, scales, torch.device("cpu")))


def table(trained: list[Trained], baseline: list[Row], knots: list[float]) -> str:
    """Y-PSNR in dB by scale (mean over seeds), half the spread of the mean between seeds, SSIM, iterations."""
    scales = sorted({row.scale for row in baseline})
    unseen = [scale for scale in scales if scale not in knots]
    head = ["recipe", *(f"x{scale:g}{' (unseen)' if scale in unseen else ''}" for scale in scales)]
    head += ["mean", "± seeds", "SSIM", "iterations"]
    lines = []
    for method in dict.fromkeys(row.method for row in baseline):
        rows = {row.scale: row for row in baseline if row.method == method}
        psnr = [rows[scale].psnr_y for scale in scales]
        ssim = statistics.mean(row.ssim_y for row in rows.values())
        lines.append([method, *(f"{v:.2f}" for v in psnr), f"{statistics.mean(psnr):.2f}", "", f"{ssim:.4f}", ""])
    for name in dict.fromkeys(each.variant for each in trained):
        runs = [each for each in trained if each.variant == name]
        values = {s: [row.psnr_y for run in runs for row in run.rows if row.scale == s] for s in scales}
        means = [statistics.mean(row.psnr_y for row in run.rows) for run in runs]
        ssim = statistics.mean(row.ssim_y for run in runs for row in run.rows)
        counts = "+".join(str(count) for count in runs[0].iterations.values())
        cells = [f"{statistics.mean(values[scale]):.2f}" for scale in scales]
        spread = (max(means) - min(means)) / 2
        lines.append([name, *cells, f"{statistics.mean(means):.2f}", f"{spread:.2f}", f"{ssim:.4f}", counts])
    return markdown_table(head, lines)


def main(arguments: list[str] | None = None) -> None:
    """Train all variants with all seeds, compare, write the results."""
    args = parse(arguments)
    degflow_aug.register()
    torch.set_num_threads(1)
    trained: list[Trained] = []
    for seed in args.seeds:
        done: dict[str, CameraFit] = {}
        trained += [train(name, seed, done, args) for name in args.variants]
    baseline = baselines(next(fit for name, fit in done.items() if not VARIANTS[name].every_scale), args)
    text = table(trained, baseline, args.knots)
    notes = {name: VARIANTS[name].note for name in args.variants}
    known = facts(
        torch.device("cpu"), minutes=args.minutes, seeds=args.seeds, preset=args.preset, knots=args.knots, recipes=notes
    )
    content = {
        "facts": known, "baselines": [asdict(row) for row in baseline], "trained": [asdict(each) for each in trained],
    }  # fmt: skip
    write_results(args.out or RESULTS / f"recipes_{args.name}_{args.preset}", content, text)
    print(text)


if __name__ == "__main__":
    main()
