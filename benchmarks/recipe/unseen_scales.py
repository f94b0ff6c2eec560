"""Views at scales nobody photographed, against the truth of the camera simulator.

    python -m benchmarks.recipe.unseen_scales --minutes 20 [--photographs DIR --layout city100]

Photographs are seen by the simulator at 1.5, 2, ... 4. One generator is fitted to the knots 1, 2 and 4, another to all
scales, which is what the first could reach at most. Both are compared on held-out photographs with the truth, bicubic,
Real-ESRGAN, the kernel fitted at the same knots, and the first one's autoencoder. Writes JSON and a table.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

import degflow_aug
from benchmarks.shared.results import RESULTS, facts, markdown_table, write_results
from degflow_aug.bundles.bundle import load_bundle
from degflow_aug.commands.demo.simulated_pairs import PATTERN_FILE, bundled_photographs, write_simulated_pairs
from degflow_aug.console.progress import Progress
from degflow_aug.data.aligned_scales_dataset import AlignedScales
from degflow_aug.data.layouts.find import find_scenes
from degflow_aug.evaluation.evaluation import EvaluationScene, evaluate_views, methods_for
from degflow_aug.evaluation.rows import Row
from degflow_aug.files.image_file import read_image
from degflow_aug.options.yaml_file import load_yaml

KNOTS = (1.0, 2.0, 4.0)
SCALES = (1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0)


def photographs(args: argparse.Namespace) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Photographs to train on and held-out ones: scikit-image's, or the HR images of pairs on disk."""
    if args.photographs is None:
        return bundled_photographs()
    sets = [find_scenes(args.photographs, args.layout, scenes=ids) for ids in (args.train, args.test)]
    training, held_out = ({scene.name: read_image(scene.hr) for scene in scenes} for scenes in sets)
    return training, held_out


def fit(work: Path, name: str, knots: tuple[float, ...], args: argparse.Namespace) -> subprocess.Popen[bytes]:
    """Start ``degflow fit`` on the simulated pairs."""
    command = [
        sys.executable, "-m", "degflow_aug", "fit", str(work / "train"),
        "--layout", "pattern", "--pattern", str(work / "train" / PATTERN_FILE),
        "--knots", ",".join(f"{knot:g}" for knot in knots), "--preset", args.preset,
        "--minutes", f"{args.minutes:g}", "--seed", str(args.seed), "--held-out", "none",
        "--camera", "simulator", "--out", str(work / f"{name}.safetensors"),
    ]  # fmt: skip
    return subprocess.Popen(command)


def evaluate(work: Path) -> list[Row]:
    """Rows of both generators and their baselines on the held-out photographs, full frames."""
    scenes = find_scenes(work / "test", "pattern", pattern=load_yaml(work / "test" / PATTERN_FILE))
    dataset = AlignedScales(scenes, SCALES)
    methods = methods_for(degflow_aug.load_generator(work / "knots.safetensors"))
    everything = degflow_aug.load_generator(work / "all.safetensors")
    methods["DegFlow, trained on all scales"] = lambda hr, scale, real: everything.render(hr, scale)

    def items() -> object:
        for index in range(len(dataset)):
            item = dataset[index]
            views = {scale: view[None] for scale, view in zip(SCALES[1:], item["views"], strict=True)}
            yield EvaluationScene(item["name"], "simulator", item["hr"][None], views)

    return evaluate_views(methods, items())  # type: ignore[arg-type]


def table(rows: list[Row]) -> str:
    """Y-PSNR in dB, a column per scale."""
    scales, found = sorted({row.scale for row in rows}), {(row.method, row.scale): row.psnr_y for row in rows}
    methods = dict.fromkeys(row.method for row in rows)
    cells = [[method, *(f"{found[method, scale]:.2f}" for scale in scales)] for method in methods]
    return markdown_table(["Y-PSNR, dB", *(f"{scale:g}" for scale in scales)], cells)


def main() -> None:
    """Simulate, fit both generators side by side, compare, write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--photographs", help="folder of pairs whose HR images are the photographs (default: scikit-image's)"
    )
    parser.add_argument("--layout", default="city100")
    parser.add_argument("--train", default="001-060", help="scenes to train on")
    parser.add_argument("--test", default="061-070", help="scenes held out")
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--minutes", type=float, default=20.0, help="of each fit; the two run at the same time")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path("unseen_scales"))
    parser.add_argument("--out", type=Path, default=RESULTS / "unseen_scales")
    args = parser.parse_args()
    training, held_out = photographs(args)
    with Progress() as progress:
        write_simulated_pairs(training, SCALES[1:], args.work / "train", progress)
        write_simulated_pairs(held_out, SCALES[1:], args.work / "test", progress)
    running = [fit(args.work, "knots", KNOTS, args), fit(args.work, "all", SCALES, args)]
    if any(process.wait() for process in running):
        sys.exit("a fit failed; see its message above")
    rows = evaluate(args.work)
    known = facts(
        torch.device("cpu"), seed=args.seed, minutes=args.minutes, preset=args.preset,
        photographs={"train": len(training), "test": len(held_out)},
        training=load_bundle(args.work / "knots.safetensors").spec.training["iterations"],
    )  # fmt: skip
    write_results(args.out, {"facts": known, "rows": [asdict(row) for row in rows]}, table(rows))
    print(table(rows))


if __name__ == "__main__":
    main()
