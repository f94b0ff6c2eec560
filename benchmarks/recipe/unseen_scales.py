"""Views at scales nobody photographed, against the truth of a simulated phone.

    python -m benchmarks.recipe.unseen_scales --photographs City100/City100_iPhoneX --phone 1 --iters 2400

Photographs are seen by a phone, drawn at random by its seed, at 1.5, 2, ... 4. One generator is fitted to the knots 1,
2 and 4, another to all scales, which is what the first could reach at most, and a pipeline without networks to the
knots. All are compared on held-out photographs with the truth. Run again, it goes on where it was. Writes JSON and a
table.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
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
from degflow_aug.degradations.simulator.phone import SimulatedPhone
from degflow_aug.evaluation.evaluation import EvaluationScene, evaluate_views, methods_for
from degflow_aug.evaluation.rows import Row
from degflow_aug.files.image_file import read_image
from degflow_aug.options.yaml_file import load_yaml

KNOTS = (1.0, 2.0, 4.0)
SCALES = (1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0)
PIPELINE = "pipeline"
SHOWN = ("bicubic", "fitted kernel", "fitted pipeline", "DegFlow", "DegFlow, trained at all scales")


def photographs(args: argparse.Namespace) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Photographs to train on and held-out ones: scikit-image's, or the HR images of pairs on disk."""
    if args.photographs is None:
        return bundled_photographs()
    sets = [find_scenes(args.photographs, args.layout, scenes=ids) for ids in (args.train, args.test)]
    training, held_out = ({scene.name: read_image(scene.hr) for scene in scenes} for scenes in sets)
    return training, held_out


def cut(photograph: np.ndarray, side: int) -> np.ndarray:
    """The middle of a photograph (H, W, 3), at most ``side`` pixels high and wide."""
    top, left = (max(0, (extent - side) // 2) for extent in photograph.shape[:2])
    return np.ascontiguousarray(photograph[top : top + side, left : left + side])


def fit(work: Path, name: str, knots: tuple[float, ...], args: argparse.Namespace) -> None:
    """Run ``degflow fit`` on the simulated pairs, or what is left of it."""
    if (work / f"{name}.safetensors").is_file():
        return
    command = [
        sys.executable, "-m", "degflow_aug", "fit", str(work / "train"),
        "--layout", "pattern", "--pattern", str(work / "train" / PATTERN_FILE),
        "--knots", ",".join(f"{knot:g}" for knot in knots), "--held-out", "none", "--report", "none", "--device", "cpu",
        "--camera", "simulated phone", "--out", str(work / f"{name}.safetensors"),
    ]  # fmt: skip
    command += ["--iters", str(args.iters)]
    command += ["--preset", "pipeline"] if name == PIPELINE else ["--preset", args.preset, "--seed", str(args.seed)]
    if subprocess.run(command, check=False).returncode:
        sys.exit("a fit failed; see its message above")


def evaluate(work: Path) -> list[Row]:
    """Rows of both generators and their baselines on the held-out photographs, full frames."""
    scenes = find_scenes(work / "test", "pattern", pattern=load_yaml(work / "test" / PATTERN_FILE))
    dataset = AlignedScales(scenes, SCALES)
    generators = {name: degflow_aug.load_generator(work / f"{name}.safetensors") for name in ("knots", "all", PIPELINE)}
    methods = methods_for(generators["knots"])
    methods["fitted pipeline"] = lambda hr, scale, real: generators[PIPELINE].render(hr, scale)
    methods["DegFlow, trained at all scales"] = lambda hr, scale, real: generators["all"].render(hr, scale)
    methods = {name: methods[name] for name in SHOWN}

    def items() -> object:
        for index in range(len(dataset)):
            item = dataset[index]
            views = {scale: view[None] for scale, view in zip(SCALES[1:], item["views"], strict=True)}
            yield EvaluationScene(item["name"], "simulated phone", item["hr"][None], views)

    return evaluate_views(methods, items())  # type: ignore[arg-type]


def table(rows: list[Row]) -> str:
    """Y-PSNR in dB and Y-SSIM, a column per scale."""
    scales, found = sorted({row.scale for row in rows}), {(row.method, row.scale): row for row in rows}

    def cell(method: str, scale: float) -> str:
        row = found[method, scale]
        return f"{row.psnr_y:.2f} / {row.ssim_y:.4f}"

    cells = [[method, *(cell(method, scale) for scale in scales)] for method in SHOWN]
    return markdown_table(["", *(f"x{scale:g}" for scale in scales)], cells)


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate, fit, compare, write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--photographs", help="folder of pairs whose HR images are the photographs (default: scikit-image's)"
    )
    parser.add_argument("--layout", default="city100")
    parser.add_argument("--train", default="001-040", help="scenes to train on")
    parser.add_argument("--test", default="041-048", help="scenes held out")
    parser.add_argument("--side", type=int, default=600, help="pixels of the middle of each photograph that are taken")
    parser.add_argument("--phone", type=int, help="seed of a random phone (default: the default phone)")
    parser.add_argument("--preset", default="small")
    parser.add_argument("--iters", type=int, default=2400, help="of each fit")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--work", type=Path, default=Path("unseen_scales"))
    parser.add_argument("--out", type=Path, default=RESULTS / "unseen_scales")
    args = parser.parse_args(arguments)
    torch.set_num_threads(args.threads)
    training, held_out = photographs(args)
    phone = SimulatedPhone() if args.phone is None else SimulatedPhone.random(args.phone)
    with Progress() as progress:
        for part, found in (("train", training), ("test", held_out)):
            images = {name: cut(image, args.side) for name, image in found.items()}
            write_simulated_pairs(images, SCALES[1:], args.work / part, progress, phone)
    for name, knots in (("knots", KNOTS), (PIPELINE, KNOTS), ("all", SCALES)):
        fit(args.work, name, knots, args)
    rows = evaluate(args.work)
    known = facts(
        torch.device("cpu"), seed=args.seed, phone=args.phone, preset=args.preset,
        photographs={"train": len(training), "test": len(held_out)},
        training=load_bundle(args.work / "knots.safetensors").spec.training["iterations"],
    )  # fmt: skip
    write_results(args.out, {"facts": known, "rows": [asdict(row) for row in rows]}, table(rows))
    print(table(rows))


if __name__ == "__main__":
    main()
