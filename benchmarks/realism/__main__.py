"""How like a camera's LR generated LR is, on scenes that nothing was trained on.

    python -m benchmarks.realism --pairs City100/City100_iPhoneX --layout city100 --scenes 061-070 --train 001-060 \\
        --ours ours_0.safetensors ours_1.safetensors --paper paper_0.safetensors paper_1.safetensors
    python -m benchmarks.realism --pairs sim/test --layout pattern --pattern sim/test/pattern.yml \\
        --train-pairs sim/train --ours ours_0.safetensors ours_1.safetensors --all-scales ceiling_0.safetensors

Bundles come from `degflow fit`, one per seed; only a Gaussian is trained here. Writes a table, a figure, strips of
crops, and JSON with every value by scene, scale and seed below ``benchmarks/results/<device>/``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.realism.methods import Methods, build_methods
from benchmarks.realism.metrics import MIDDLE, Likeness, Metric
from benchmarks.realism.report import Row, Summary, as_json, finite, plot, summarise, tables
from benchmarks.realism.samples import Samples
from benchmarks.realism.strips import Strips
from benchmarks.shared.gaussian_baseline import GaussianBlur, fit_gaussian
from benchmarks.shared.results import facts, results_folder, write_results
from degflow_aug.bundles.bundle import load_bundle
from degflow_aug.commands.shared.arguments import argument, parse_scales, whole_number
from degflow_aug.commands.shared.pairs_arguments import add_pairs_arguments, find_pairs, load_scenes
from degflow_aug.data.layouts.scene import Scene
from degflow_aug.evaluation.evaluation import EvaluationScene

CPU = torch.device("cpu")
GAUSSIAN_SCENES, GAUSSIAN_SIDE = 8, 256
LEGEND = (
    "↑ higher is better, ↓ lower. PSNR and SSIM are of whole views on the HR grid, LPIPS and NIQE of their middle "
    f"{MIDDLE}x{MIDDLE}, gradient, spectrum and noise of LR images, to whose grid all views are brought, real too; "
    "all rounded to 8 bits; means over scenes. Gradient distance: Wasserstein-1 between gradient magnitudes. Spectrum "
    "distance: mean difference of radial power. Noise KLD: what real LR has beside a method's LR without its random "
    "part, against that random part (of Real-ESRGAN, what sets it apart from bicubic); large where a method draws "
    "nothing. NIQE shift: |NIQE of the generated view - NIQE of the real one|. ± half of what seeds differ by. The RAE "
    "ceiling is given the real view. Two-sample AUC: of networks "
    "that tell the LR of a method, all seeds together, from real LR by what a low-pass leaves, on thirds of the scenes "
    "that they have not seen; 0.5 where they cannot, ± half of what the thirds differ by. Chroma at edges: by which "
    "share its ratio to luma in that random part is off the ratio in what real LR has."
)


@torch.no_grad()
def measure(
    methods: Methods, scenes: Iterable[EvaluationScene], likeness: Likeness, strips: Strips, samples: Samples
) -> list[Row]:
    """A row for every scene, scale, method and seed; the samples get all LR, the strips crops of the first seeds."""
    rows: list[Row] = []
    for scene in scenes:
        for scale, real in scene.views.items():
            shown = {}
            for name, seeds in methods.items():
                made = [method(scene.hr, scale, real) for method in seeds]
                samples.add(name, scale, real, [each for each in made if each is not None])
                for seed, rendered in enumerate(made):
                    if rendered is None:
                        continue
                    shown.setdefault(name, rendered.view)
                    place = {"method": name, "seed": seed, "camera": scene.camera, "scene": scene.name, "scale": scale}
                    rows.append({**place, **likeness(rendered, real, scale)})
            strips.add(scene.name, scale, scene.hr, real, shown)
    return rows


def held_out_scenes(args: argparse.Namespace) -> list[Scene]:
    """The scenes to compare on.

    Raises:
        ValueError: no such scenes, or one of them is a training scene.
    """
    found = find_pairs(args)[: args.limit]
    trained = {scene.hr.resolve() for scene in training_scenes(args)}
    if seen := [scene.name for scene in found if scene.hr.resolve() in trained]:
        raise ValueError(f"expected scenes that are held out, got {seen[0]} which is also in --train")
    return found


def training_scenes(args: argparse.Namespace) -> list[Scene]:
    """The scenes that the Gaussian is fitted to; none where neither --train nor --train-pairs is given."""
    if args.train is None and args.train_pairs is None:
        return []
    elsewhere = {**vars(args), "pairs": args.train_pairs or args.pairs}
    return find_pairs(argparse.Namespace(**elsewhere), scenes=args.train)


def gaussian(args: argparse.Namespace) -> GaussianBlur | None:
    """The Gaussian fitted to middles of the training scenes at the knots of the bundles, or at all scales there are."""
    scenes = training_scenes(args)
    if not scenes:
        return None
    knots = args.knots
    if knots is None and (bundles := [*args.ours, *args.paper]):
        knots = load_bundle(bundles[0]).spec.knots
    scales = [scale for scale in knots or sorted({s for scene in scenes for s in scene.scales}) if scale != 1]
    spread = scenes[:: -(-len(scenes) // GAUSSIAN_SCENES)]
    return fit_gaussian(
        (_middle(scene.hr), {scale: _middle(view) for scale, view in scene.views.items()})
        for scene in load_scenes(spread, scales, CPU)
    )


def _middle(image: torch.Tensor) -> torch.Tensor:
    top, left = (max(0, (side - GAUSSIAN_SIDE) // 2) for side in image.shape[-2:])
    return image[..., top : top + GAUSSIAN_SIDE, left : left + GAUSSIAN_SIDE]


def bundle_facts(args: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """File and training facts of every bundle, by role."""
    roles = {"ours": args.ours, "paper": args.paper, "all_scales": args.all_scales}
    return {
        role: [{"file": path.name, "knots": (spec := load_bundle(path).spec).knots, **spec.training} for path in paths]
        for role, paths in roles.items()
    }


def report(title: str, summary: Summary, metrics: Sequence[Metric], notes: Sequence[str]) -> str:
    """The tables with what they mean and what was left out."""
    left_out = "\n".join(f"- {note}" for note in notes)
    return "\n\n".join(filter(None, (f"# {title}", tables(summary, metrics), LEGEND, left_out)))


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", required=True, help="folder of the pairs")
    add_pairs_arguments(parser, split="Test")
    parser.add_argument("--limit", type=whole_number, metavar="N", help="take the first N of the scenes")
    parser.add_argument("--train-pairs", help="folder of the training pairs, of the same layout (default: the same)")
    parser.add_argument("--train", metavar="001-060", help="training scenes, for the Gaussian")
    parser.add_argument(
        "--knots", type=argument(parse_scales), metavar="2,4",
        help="scales to fit the Gaussian at (default: the knots of the first bundle)",
    )  # fmt: skip
    bundles: dict[str, Any] = {"type": Path, "nargs": "+", "default": [], "metavar": "BUNDLE"}
    parser.add_argument("--ours", help="generators of our recipe, one per seed", **bundles)
    parser.add_argument("--paper", help="generators of the paper's recipe", **bundles)
    parser.add_argument("--all-scales", help="generators trained on pairs at all scales", **bundles)
    parser.add_argument("--vgg", metavar="FILE", help="VGG16's weights for LPIPS (default: torchvision's cache)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path, help="folder (default: results/<device> beside this file)")
    parser.add_argument("--name", default="realism", help="of the files, without suffix")
    args = parser.parse_args(arguments)
    try:
        held_out_scenes(args)
        for path in (*args.ours, *args.paper, *args.all_scales):
            load_bundle(path)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    return args


def main(arguments: Sequence[str] | None = None) -> None:
    """Render, measure, write, print."""
    args = parse(arguments)
    torch.set_num_threads(args.threads)
    began, notes = time.monotonic(), list[str]()
    scenes = held_out_scenes(args)
    scales = sorted({scale for scene in scenes for scale in scene.scales})
    fitted = gaussian(args)
    methods = build_methods(args.ours, args.paper, args.all_scales, fitted, notes.append)
    likeness, strips, samples = Likeness(args.vgg, notes.append), Strips(scales), Samples()
    rows = measure(methods, load_scenes(scenes, scales, CPU), likeness, strips, samples)
    of_all, across = samples.summary(notes.append)
    metrics, summary = [*likeness.metrics, *of_all], summarise(rows, likeness.metrics) | across
    title = f"Likeness to real LR: {args.name}, held-out scenes: {len(scenes)}"
    write(args, title, rows, summary, metrics, strips, notes, {
        "scenes": [scene.name for scene in scenes], "scales": scales, "bundles": bundle_facts(args),
        "gaussian_sigmas": fitted and {f"{scale:g}": sigma for scale, sigma in fitted.sigmas.items()},
        "seconds": round(time.monotonic() - began, 1),
    })  # fmt: skip


def write(
    args: argparse.Namespace, title: str, rows: Sequence[Row], summary: Summary, metrics: Sequence[Metric],
    strips: Strips, notes: Sequence[str], known: dict[str, Any],
) -> None:  # fmt: skip
    """JSON, Markdown, figure and strips beside each other."""
    stem = (args.out or results_folder(CPU)) / args.name
    content = {
        "facts": facts(CPU, **known), "notes": list(notes), "summary": as_json(summary),
        "rows": [{key: finite(value) for key, value in row.items()} for row in rows],
    }  # fmt: skip
    write_results(stem, content, text := report(title, summary, metrics, notes))
    plot(stem.with_name(stem.name + ".png"), title, summary, metrics)
    strips.write(stem.with_name(stem.name + "_strips.png"))
    print(text)


if __name__ == "__main__":
    main()
