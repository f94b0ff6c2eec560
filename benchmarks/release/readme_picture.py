"""Draw README's picture: real LR, LR of the shipped iPhone X bundle, of Real-ESRGAN and of bicubic, with scores.

    python -m benchmarks.release.readme_picture --pairs City100/City100_iPhoneX

Scores are measured on all held-out scenes. Writes ``readme_picture.png``, ``.json`` and ``.md`` to
``benchmarks/results``; half a minute on two cores.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

import degflow_aug
from benchmarks.shared.results import RESULTS, facts, markdown_table, write_results
from degflow_aug.data.layouts.find import find_scenes
from degflow_aug.data.tensors import to_array, to_tensor
from degflow_aug.degradations.base import Degradation
from degflow_aug.degradations.grid import to_lr_grid
from degflow_aug.files.image_file import read_image
from degflow_aug.files.writing import atomic_path
from degflow_aug.metrics.fidelity import psnr_y
from degflow_aug.metrics.spectrum_distance import spectrum_distance

BUNDLE, SCALE, HELD_OUT = "city100-iphone", 2.9, "061-070"
REAL, LEARNED, REALESRGAN, BICUBIC = "real LR", "learned + noise", "Real-ESRGAN", "bicubic"
SEEDS = {LEARNED: 4, REALESRGAN: 4, BICUBIC: 1}
# What is shown: a scene, and the top left corner of its crop on the LR grid.
SHOWN = {"062": (18, 190), "064": (95, 140), "069": (60, 2)}
HEIGHT, WIDTH, ZOOM = 54, 72, 6
GAP, MARGIN, HEAD, FOOT, CAPTION, DPI = 10, 1, 56, 58, 88, 200


class Score(NamedTuple):
    """How near LR is to the real LR of the same scene, both rounded to 8 bits: Y-PSNR and spectrum distance in dB."""

    psnr: float
    spectrum: float


class Measured(NamedTuple):
    """A scene: its LR images (1, 3, h, w) by column, of the first seed, and the scores of every seed."""

    name: str
    images: dict[str, Tensor]
    scores: dict[str, list[Score]]


def degradations() -> dict[str, list[Degradation]]:
    """One degradation per column and seed."""
    made = {
        LEARNED: [degflow_aug.load_generator(BUNDLE, noise=1.0) for _ in range(SEEDS[LEARNED])],
        REALESRGAN: [degflow_aug.build_degradation({"type": "RealESRGAN"}) for _ in range(SEEDS[REALESRGAN])],
        BICUBIC: [degflow_aug.build_degradation({"type": "Bicubic"})],
    }
    for columns in made.values():
        for seed, degradation in enumerate(columns):
            degradation.seed(seed)
    return made


@torch.no_grad()
def measure(pairs: Path, scenes: str) -> Iterator[Measured]:
    """Make and score LR images of every scene.

    Raises:
        ValueError: no such scenes there.
    """
    made = degradations()
    for scene in find_scenes(pairs, "city100", scenes=scenes):
        hr, view = (to_tensor(read_image(path))[None] for path in (scene.hr, scene.views[SCALE]))
        real = eight_bit(to_lr_grid(view, SCALE))
        images, scores = {REAL: real}, {}
        for column, seeds in made.items():
            lr = [eight_bit(degradation(hr, SCALE)) for degradation in seeds]
            images[column] = lr[0]
            scores[column] = [Score(float(psnr_y(each, real)), float(spectrum_distance(each, real))) for each in lr]
        yield Measured(scene.name, images, scores)


def eight_bit(image: Tensor) -> Tensor:
    """Round as a file does."""
    return image.clamp(0, 1).mul(255).round() / 255


def mean(scores: Sequence[Score]) -> Score:
    """Mean of both scores."""
    psnr, spectrum = np.mean(scores, axis=0)
    return Score(float(psnr), float(spectrum))


def draw(path: Path, measured: Sequence[Measured]) -> None:
    """Draw the scenes of ``SHOWN``: a row per scene, a column per method, the score of what is shown beneath it."""
    from matplotlib.figure import Figure

    columns = (REAL, *SEEDS)
    rows = [scene for scene in measured if scene.name in SHOWN]
    width = len(columns) * (WIDTH * ZOOM + GAP) - GAP + 2 * MARGIN
    height = HEAD + len(rows) * (HEIGHT * ZOOM + FOOT) + CAPTION
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="white")

    def write(column: int, y: int, text: str, size: float, **style: str) -> None:
        x = MARGIN + column * (WIDTH * ZOOM + GAP) + WIDTH * ZOOM / 2
        figure.text(x / width, 1 - y / height, text, size=size, ha="center", va="center", **style)

    for place, column in enumerate(columns):
        write(place, HEAD // 2, column, 12, weight="bold")
        write(place, height - CAPTION // 2 - 2, summary(column, measured), 10, linespacing=1.4, weight="bold")
    for line, scene in enumerate(rows):
        top = HEAD + line * (HEIGHT * ZOOM + FOOT)
        for place, column in enumerate(columns):
            crop = cut(scene.images[column], *SHOWN[scene.name])
            figure.figimage(crop, MARGIN + place * (WIDTH * ZOOM + GAP), height - top - HEIGHT * ZOOM)
            said = f"scene {scene.name}" if column == REAL else f"Y-PSNR {scene.scores[column][0].psnr:.1f} dB"
            write(place, top + HEIGHT * ZOOM + FOOT // 2, said, 10)
    with atomic_path(path) as partial:
        figure.savefig(partial, format="png", dpi=DPI)


def summary(column: str, measured: Sequence[Measured]) -> str:
    """What stands at the foot of a column."""
    if column == REAL:
        return f"mean of {len(measured)}\nheld-out scenes"
    score = mean([score for scene in measured for score in scene.scores[column]])
    return f"Y-PSNR {score.psnr:.1f} dB\nspectrum off by {score.spectrum:.1f} dB"


def cut(image: Tensor, top: int, left: int) -> np.ndarray:
    """A crop, enlarged without interpolation, so that the picture shows the pixels of the LR image."""
    array = to_array(image[0, :, top : top + HEIGHT, left : left + WIDTH])
    return array.repeat(ZOOM, 0).repeat(ZOOM, 1)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, draw, write, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=Path, required=True, help="folder of City100's iPhone X pairs")
    parser.add_argument("--scenes", default=HELD_OUT, help=f"held-out scenes (default: {HELD_OUT})")
    parser.add_argument("--out", type=Path, default=RESULTS / "readme_picture", help="of the files, without suffix")
    args = parser.parse_args(arguments)
    measured = list(measure(args.pairs, args.scenes))
    draw(args.out.with_suffix(".png"), measured)
    means = {column: mean([score for scene in measured for score in scene.scores[column]]) for column in SEEDS}
    rows = [
        [column, f"{score.psnr:.2f}", f"{score.spectrum:.2f}", str(SEEDS[column])] for column, score in means.items()
    ]
    table = markdown_table(["LR against real LR", "Y-PSNR, dB", "spectrum distance, dB", "seeds"], rows)
    scores = {scene.name: scene.scores for scene in measured}
    write_results(args.out, {"facts": facts(torch.device("cpu")), "bundle": BUNDLE, "scores": scores}, table)
    print(table)


if __name__ == "__main__":
    main()
