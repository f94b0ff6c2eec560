"""LR of many real cameras: a generator per camera, fitted to some of its scenes, compared with real LR of the others.

    python -m benchmarks.realism.real_cameras --pairs RealSR/Canon RealSR/Nikon --city100 City100 --iters 1200

Every folder of ``--pairs`` holds the pairs of one camera with a ``pattern.yml``; of City100, its two cameras are taken.
The last third of a camera's scenes is held out. A pipeline without networks is fitted to the same scenes. The
two-sample test takes the scenes of all cameras whose folders share a name up to the first ``_`` together, as single
cameras may have too few. Run again, it goes on where it was. Writes JSON and tables.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import degflow_aug
from benchmarks.realism.methods import CEILING, NOISY, OURS, Methods, Source, build_methods, from_view
from benchmarks.realism.report import as_json, finite
from benchmarks.realism.samples import AUC, CHROMA, Samples
from benchmarks.shared.results import RESULTS, facts, markdown_table, write_results
from degflow_aug.commands.shared.pairs_arguments import load_scenes
from degflow_aug.data.layouts.find import find_scenes
from degflow_aug.data.layouts.scene import Scene
from degflow_aug.metrics.fidelity import psnr_y, ssim_y
from degflow_aug.options.yaml_file import load_yaml

CPU = torch.device("cpu")
PIPELINE = "fitted pipeline"
CITY100 = ("City100_iPhoneX", "City100_NikonD5500")


@dataclass(frozen=True)
class Camera:
    """The pairs of one camera: where they lie, and the scenes to train on and to test on."""

    name: str
    arguments: tuple[str, ...]
    train: tuple[Scene, ...]
    test: tuple[Scene, ...]

    @property
    def group(self) -> str:
        """The cameras that are told from real ones together."""
        return self.name.split("_")[0]


def camera(name: str, folder: Path, layout: str, **how: Any) -> Camera:
    """Split the scenes of ``folder``: the last third is tested on.

    Raises:
        ValueError: no pairs there.
    """
    scenes = find_scenes(folder, layout, **how)
    first = len(scenes) - max(1, len(scenes) // 3)
    pattern = ("--pattern", str(folder / "pattern.yml")) if layout == "pattern" else ()
    return Camera(name, (str(folder), "--layout", layout, *pattern), tuple(scenes[:first]), tuple(scenes[first:]))


def cameras(args: argparse.Namespace) -> Iterator[Camera]:
    """All cameras, those of ``--pairs`` first."""
    for folder in args.pairs:
        yield camera(folder.name, folder, "pattern", pattern=load_yaml(folder / "pattern.yml"))
    for name in CITY100 if args.city100 else ():
        yield camera(name, args.city100 / name, "city100")


def fit(found: Camera, preset: str, args: argparse.Namespace) -> Path:
    """Run ``degflow fit`` on the training scenes, or what is left of it, and return the bundle."""
    bundle: Path = args.work / f"{found.name}-{preset}.safetensors"
    if not bundle.is_file():
        command = [
            sys.executable, "-m", "degflow_aug", "fit", *found.arguments, "--preset", preset, "--out", str(bundle),
            "--scenes", ",".join(scene.name for scene in found.train), "--held-out", "none", "--report", "none",
            # A pipeline has --iters for its noise alone, which no row shows.
            "--device", "cpu", "--iters", "1" if preset == "pipeline" else str(args.iters),
        ]  # fmt: skip
        if preset != "pipeline":
            command += ["--seed", str(args.seed)]
        if subprocess.run(command, check=False).returncode:
            sys.exit("a fit failed; see its message above")
    return bundle


def methods_of(bundle: Path, pipeline: Path, note: Any) -> Methods:
    """The rows: what a generator is compared with, and the generator with and without its noise."""
    methods = build_methods([bundle], [], [], None, note)
    del methods[CEILING]
    pipelined = {PIPELINE: [from_view(Source(degflow_aug.load_generator(pipeline)))]}
    last = {name: methods.pop(name) for name in (OURS, NOISY) if name in methods}
    return {**{name: made for name, made in methods.items() if name != PIPELINE}, **pipelined, **last}


@torch.no_grad()
def measure(found: Camera, methods: Methods, samples: Samples) -> list[dict[str, Any]]:
    """A row for every test scene, scale, method and seed; the samples get all LR."""
    rows = []
    scales = sorted({scale for scene in found.test for scale in scene.scales if scale != 1})
    for scene in load_scenes(list(found.test), scales, CPU):
        for scale, real in scene.views.items():
            for name, seeds in methods.items():
                made = [rendered for method in seeds if (rendered := method(scene.hr, scale, real)) is not None]
                samples.add(name, scale, real, made)
                rows += [
                    {
                        "camera": found.name, "scene": scene.name, "scale": scale, "method": name,
                        "psnr_y": float(psnr_y(rendered.view, real, eight_bit=True)),
                        "ssim_y": float(ssim_y(rendered.view, real, eight_bit=True)),
                    }
                    for rendered in made
                ]  # fmt: skip
    return rows


def fidelity_table(rows: Sequence[Mapping[str, Any]], shown: Sequence[str]) -> str:
    """Y-PSNR in dB and Y-SSIM, a row per camera, a column per method."""
    named = list(dict.fromkeys(row["camera"] for row in rows))

    def cell(camera: str, method: str) -> str:
        of = [row for row in rows if row["camera"] == camera and row["method"] == method]
        if not of:
            return "-"
        psnr, ssim = (statistics.fmean(row[key] for row in of) for key in ("psnr_y", "ssim_y"))
        return f"{psnr:.2f} / {ssim:.4f}"

    def scale(camera: str) -> str:
        return ", ".join(f"x{scale:g}" for scale in sorted({row["scale"] for row in rows if row["camera"] == camera}))

    head = ["camera", "scale", *shown]
    return markdown_table(head, [[name, scale(name), *(cell(name, method) for method in shown)] for name in named])


def realism_table(summaries: Mapping[str, Any], shown: Sequence[str], key: str, digits: int) -> str:
    """What is measured on the LR of a group of cameras, a column per method."""

    def cell(group: str, method: str) -> str:
        cells = summaries[group].get(key, {}).get(method, {}).values()
        spread = [f" ± {cell.spread:.{digits}f}" if cell.spread is not None else "" for cell in cells]
        return ", ".join(f"{cell.mean:.{digits}f}{half}" for cell, half in zip(cells, spread, strict=True)) or "-"

    return markdown_table(
        ["cameras", *shown], [[group, *(cell(group, method) for method in shown)] for group in summaries]
    )


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=Path, nargs="*", default=[], help="folders with a pattern.yml, one per camera")
    parser.add_argument("--city100", type=Path, help="folder of City100")
    parser.add_argument("--preset", default="small")
    parser.add_argument("--iters", type=int, default=1200, help="of each fit")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--work", type=Path, default=Path("real_cameras"))
    parser.add_argument("--out", type=Path, default=RESULTS / "real_cameras")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit, compare, write the results."""
    args, began, notes = parse(arguments), time.monotonic(), dict[str, None]()
    torch.set_num_threads(args.threads)
    args.work.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    samples: dict[str, Samples] = {}
    found = list(cameras(args))
    for each in found:
        methods = methods_of(
            fit(each, args.preset, args), fit(each, "pipeline", args),
            lambda text, name=each.name: text.startswith(PIPELINE) or notes.update({f"{name}: {text}": None}),
        )  # fmt: skip
        rows += measure(each, methods, samples.setdefault(each.group, Samples()))
    shown = list(dict.fromkeys(row["method"] for row in rows))
    summaries = {group: sample.summary(lambda text: None)[1] for group, sample in samples.items()}
    text = "\n\n".join((
        fidelity_table(rows, shown),
        "Two-sample AUC, residual classifier (0.5 is best):", realism_table(summaries, shown, AUC.key, AUC.digits),
        "Chroma at edges, by which share off that of real LR:",
        realism_table(summaries, [name for name in shown if name == NOISY], CHROMA.key, CHROMA.digits),
    ))  # fmt: skip
    known = facts(
        CPU, seed=args.seed, preset=args.preset, iterations=args.iters, notes=list(notes),
        scenes={each.name: {"train": len(each.train), "test": len(each.test)} for each in found},
        seconds=round(time.monotonic() - began, 1),
    )  # fmt: skip
    content = {
        "facts": known, "rows": [{key: finite(value) for key, value in row.items()} for row in rows],
        "realism": {group: as_json(summary) for group, summary in summaries.items()},
    }  # fmt: skip
    write_results(args.out, content, text)
    print(text)


if __name__ == "__main__":
    main()
