"""What a sampler is worth: views against the truth and against RK45 at 1e-5, by evaluations of the velocity network.

    python -m benchmarks.cost.solver_curve --bundle camera.safetensors --pairs unseen_scales/test \\
        --layout pattern --pattern unseen_scales/test/pattern.yml
    python -m benchmarks.cost.solver_curve --bundle camera.safetensors --pairs City100/City100_iPhoneX --scenes 061-070

The middle of each photograph is rendered at every scale that it has a view of, by every solver. The cheapest one whose
mean Y-PSNR to the truth is within 0.2 dB of the best is named. Writes JSON, Markdown and a plot below
``benchmarks/results/<device>/``.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.shared.arguments import add_bundle_and_pairs, add_device, held_out_scenes
from benchmarks.shared.generators import Networks, bundle_networks, evaluations, host_rk45
from benchmarks.shared.plot import Axis, write_plot
from benchmarks.shared.results import device_name, facts, markdown_table, results_folder, write_results
from degflow_aug.console.progress import track
from degflow_aug.data.aligned_scales_dataset import AlignedScales
from degflow_aug.flow.solver import JUMP
from degflow_aug.metrics.fidelity import psnr_y

SAMPLERS = {"euler": (1, 2, 3, 4, 8), "midpoint": (1, 2, 4), "heun": (1, 2, 4), "rk4": (1, 2)}
JUMPS = {JUMP: (1, 2, 4)}
REFERENCE = "rk45"
# Two seeds of the same fit differ by as much.
PLATEAU_DB = 0.2
# Equal images would be infinitely near; 8 bits cannot tell more than about this.
CEILING_DB = 99.0
Pair = tuple[Tensor, Mapping[float, Tensor]]
Row = dict[str, Any]


def pairs(args: argparse.Namespace) -> Iterator[Pair]:
    """HR (1, 3, c, c) from the middle of every photograph, and its views of that shape by scale."""
    dataset = AlignedScales(held_out_scenes(args))
    for index in track(range(len(dataset)), "samplers", "scene"):
        item = dataset[index]
        views = zip(dataset.knots[1:], item["views"], strict=True)
        yield _middle(item["hr"], args.crop)[None], {scale: _middle(view, args.crop)[None] for scale, view in views}


def _middle(image: Tensor, side: int) -> Tensor:
    if not side:
        return image
    top, left = (max(0, (length - side) // 2) for length in image.shape[-2:])
    return image[..., top : top + side, left : left + side]


@torch.no_grad()
def curve(networks: Networks, images: Iterator[Pair], device: torch.device) -> list[Row]:
    """A row for each sampler: evaluations and Y-PSNR to the truth and to RK45, means over images, by scale.

    ``psnr`` and ``to_rk45`` are by scale, ``mean`` and ``mean_to_rk45`` over all scales; a one-step student has no
    RK45, and none of its columns.
    """
    is_student = networks.velocity.end is not None
    keys = [(solver, n) for solver, steps in (JUMPS if is_student else SAMPLERS).items() for n in steps]
    generators = {key: networks.degflow(*key) for key in keys}
    found: dict[tuple[str, int], list[tuple[float, float, float | None]]] = {key: [] for key in keys}
    counts: list[int] = []
    if not is_student:
        found[REFERENCE, 0] = []
    for hr, views in images:
        hr, real = hr.to(device), {s: view.to(device) for s, view in views.items() if s <= networks.knots[-1] + 1e-6}
        references: dict[float, Tensor] = {}
        if not is_student:
            rendered, count = host_rk45(networks, hr, list(real))
            references, counts = dict(zip(real, rendered, strict=True)), [*counts, count]
            found[REFERENCE, 0] += [(scale, _psnr(references[scale], truth), None) for scale, truth in real.items()]
        for key, generator in generators.items():
            for (scale, truth), view in zip(real.items(), generator.render_scales(hr, list(real)), strict=True):
                near = None if is_student else _psnr(view, references[scale])
                found[key].append((scale, _psnr(view, truth), near))
    return [_row(*key, values, counts) for key, values in found.items()]


def _psnr(view: Tensor, truth: Tensor) -> float:
    return min(CEILING_DB, float(psnr_y(view, truth, eight_bit=True)))


def _row(solver: str, steps: int, values: list[tuple[float, float, float | None]], counts: list[int]) -> Row:
    scales = sorted({scale for scale, _, _ in values})
    by_scale = {f"{s:g}": statistics.fmean(psnr for scale, psnr, _ in values if scale == s) for s in scales}
    nfe = statistics.fmean(counts) if solver == REFERENCE else evaluations(solver, steps)
    row: Row = {"solver": solver, "steps": steps, "nfe": nfe, "psnr": by_scale}
    row["mean"] = statistics.fmean(by_scale.values())
    if all(near is not None for _, _, near in values):
        nears = {f"{s:g}": statistics.fmean(near or 0.0 for scale, _, near in values if scale == s) for s in scales}
        row |= {"to_rk45": nears, "mean_to_rk45": statistics.fmean(nears.values())}
    return row


def cheapest_on_plateau(rows: Sequence[Row], within: float = PLATEAU_DB) -> Row:
    """The row of fewest evaluations among those within ``within`` dB of the best mean; of several the best."""
    best = max(row["mean"] for row in rows)
    return min((row for row in rows if row["mean"] >= best - within), key=lambda row: (row["nfe"], -row["mean"]))


def name_of(row: Row) -> str:
    """``heun-2``, or ``rk45``."""
    return f"{row['solver']}-{row['steps']}" if row["steps"] else str(row["solver"])


def table(rows: Sequence[Row]) -> str:
    """By rising evaluations: Y-PSNR to the truth at each scale and on average, and to RK45."""
    scales = list(rows[0]["psnr"])
    head = ["sampler", "NFE", *(f"x{scale}" for scale in scales), "mean", "to RK45 at 1e-5"]
    ordered = sorted(rows, key=lambda row: (row["nfe"], row["solver"]))
    cells = [
        [
            name_of(row), f"{row['nfe']:.0f}", *(f"{row['psnr'][scale]:.2f}" for scale in scales),
            f"{row['mean']:.2f}", f"{row['mean_to_rk45']:.2f}" if "mean_to_rk45" in row else "",
        ]
        for row in ordered
    ]  # fmt: skip
    return markdown_table(head, cells)


def report(content: Mapping[str, Any]) -> str:
    """The table with what it is of and what follows from it."""
    known, chosen = content["facts"], content["cheapest"]
    return (
        f"# Samplers of {known['bundle']}\n\nMean Y-PSNR in dB to the real view over {known['images']} images, "
        f"{known['crop'] or 'all'} pixels a side; evaluations of the velocity network (NFE) of a scale, of RK45 those "
        f"of all scales together. Default of the bundle: {known['default']}.\n\n{table(content['rows'])}\n\n"
        f"The cheapest within {PLATEAU_DB} dB of the best: {name_of(chosen)}, {chosen['mean']:.2f} dB with "
        f"{chosen['nfe']:.0f} evaluations."
    )


def plot(path: Path, rows: Sequence[Row], bundle: str) -> None:
    """Mean Y-PSNR to the truth against evaluations, a line per solver; RK45 is off the right edge and left out."""
    series: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        if row["solver"] != REFERENCE:
            series.setdefault(row["solver"], []).append((row["nfe"], row["mean"]))
    marks = tuple(sorted({row["nfe"] for row in rows if row["solver"] != REFERENCE}))
    write_plot(path, f"Views of {bundle}", series, Axis("evaluations", True, marks), Axis("Y-PSNR to the truth, dB"))


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_bundle_and_pairs(parser, "a generator")
    parser.add_argument("--crop", type=int, default=256, help="side of the middle to render; 0: all of it")
    add_device(parser)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Render, compare, write, print."""
    args = parse(arguments)
    torch.set_num_threads(args.threads)
    device = torch.device(args.device)
    networks = bundle_networks(args.bundle, device)
    images = list(pairs(args))
    rows = curve(networks, iter(images), device)
    known = facts(
        device, bundle=args.bundle.name, images=len(images), crop=args.crop, layout=args.layout,
        default=f"{networks.solver}-{networks.steps}", plateau_db=PLATEAU_DB,
    )  # fmt: skip
    content = {"facts": known, "rows": rows, "cheapest": cheapest_on_plateau(rows)}
    stem = args.out or results_folder(device) / f"solver_curve_{args.bundle.stem}"
    write_results(stem, content, text := report(content))
    plot(stem.with_name(stem.name + ".png"), rows, f"{args.bundle.name}, {device_name(device)}")
    print(text)


if __name__ == "__main__":
    main()
