"""Which sizes the preset ``small`` should have: candidates trained for the same processor time, compared and timed.

    python -m benchmarks.recipe.preset_sizes --minutes 4
    python -m benchmarks.recipe.preset_sizes --minutes 4 \
        --candidates "base 16, full resolution@1e-3;base 64, full resolution"

The camera is the simulator, whose truth is known at every scale: knots 1, 2 and 4 are trained on (photographs that come
with scikit-image), and views at 1.5 ... 4 of held-out photographs compared. A budget is processor time of one thread,
so that a busy machine does not favour a candidate. Writes a JSON and a table.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

import degflow_aug
from benchmarks.shared.measurement import medians
from benchmarks.shared.results import RESULTS, facts, markdown_table, write_results
from degflow_aug.bundles.bundle import Bundle, load_bundle, save_bundle
from degflow_aug.commands.demo.simulated_pairs import PATTERN_FILE, bundled_photographs, write_simulated_pairs
from degflow_aug.console.progress import Progress
from degflow_aug.data.aligned_scales_dataset import AlignedScales
from degflow_aug.data.layouts.find import find_scenes
from degflow_aug.degradations.generator.degflow import DegFlow
from degflow_aug.fit.camera_fit import CameraFit, FitPlan
from degflow_aug.fit.presets import Preset, preset
from degflow_aug.fit.stage_options import FitSettings
from degflow_aug.metrics.fidelity import psnr_y
from degflow_aug.options.yaml_file import load_yaml

KNOTS = (1.0, 2.0, 4.0)
SCALES = (1.5, 2.0, 2.5, 3.0, 3.5, 4.0)
SECONDS = 10.0
"""For the times of each candidate."""
Sizes = tuple[dict[str, Any], dict[str, Any]]

NARROW: dict[str, Any] = {"base_channels": 32, "multipliers": [1, 2, 2], "blocks": 2}
SHALLOW: dict[str, Any] = {"base_channels": 64, "multipliers": [1, 1], "blocks": 1}


def shuffled(side: int, base: int, multipliers: tuple[int, ...], encoder: int, decoder: int) -> dict[str, Any]:
    """Keywords of an RAE with 16 latent channels, as many values as 4 channels at twice the resolution."""
    return {
        "base_channels": base, "unshuffle": side, "latent_channels": 16, "multipliers": list(multipliers),
        "encoder_blocks": encoder, "decoder_blocks": decoder,
    }  # fmt: skip


CANDIDATES: dict[str, Sizes] = {
    "base 64, full resolution": ({"base_channels": 64}, {"base_channels": 64, "multipliers": [1, 2, 2], "blocks": 2}),
    "base 16, full resolution": ({"base_channels": 16}, NARROW),
    "unshuffle 2, base 16, blocks 2 + 2": (shuffled(2, 16, (1, 1, 2, 4), 2, 2), NARROW),
    "unshuffle 2, base 16, blocks 2 + 1": (shuffled(2, 16, (1, 1, 2, 4), 2, 1), NARROW),
    "unshuffle 2, base 16, blocks 1 + 1": (shuffled(2, 16, (1, 1, 2, 4), 1, 1), SHALLOW),
    "unshuffle 2, base 32, blocks 1 + 1": (shuffled(2, 32, (1, 1, 2, 4), 1, 1), SHALLOW),
    "unshuffle 4, base 48, blocks 2 + 1": (shuffled(4, 48, (1, 1, 2), 2, 1), SHALLOW),
    "unshuffle 4, base 64, blocks 2 + 1": (shuffled(4, 64, (1, 1, 1), 2, 1), SHALLOW),
}


def candidate(sizes: str, factor: float = 1.0) -> Preset:
    """The preset ``small`` with other networks, trained as it is at ``factor`` times its learning rates."""
    ours = preset("small", "ours")
    rae, velocity = CANDIDATES[sizes]
    return replace(
        ours,
        rae={**rae, **{key: ours.rae[key] for key in ("residual", "anchored")}},
        velocity={**velocity, **{key: ours.velocity[key] for key in ("dropout", "local")}},
        stages={
            key: replace(each, lr=factor * each.lr, floor=factor * each.floor) for key, each in ours.stages.items()
        },
    )


def train(name: str, pairs: Path, work: Path, minutes: float, seed: int) -> Bundle:
    """The bundle of a candidate after its budget: our recipe of the preset ``small``, at its learning rate or at that
    behind an ``@`` in the name."""
    sizes, _, rate = name.partition("@")
    peak = preset("small", "ours").stages["rae"].lr
    factor = float(rate) / peak if rate else 1.0
    out = work / f"{list(CANDIDATES).index(sizes)}_{factor * peak:g}.safetensors"
    chosen = candidate(sizes, factor)
    request = {"preset": name, "recipe": "ours", "scenes": [], "minutes": minutes, "seed": seed, "pairs": str(pairs)}
    # A candidate that was trained otherwise is not taken for this one.
    request["rae"] = dict(chosen.rae)
    plan = FitPlan.open(out.with_suffix(".fit"), request)
    if out.is_file():
        return load_bundle(out)
    settings = FitSettings(
        scenes=find_scenes(pairs, "pattern", pattern=load_yaml(pairs / PATTERN_FILE)),
        knots=KNOTS, camera="simulator", work=plan.path.parent, seed=seed,
    )  # fmt: skip
    with Progress() as progress:
        bundle = CameraFit(chosen, settings, plan, minutes=minutes, report=progress).run()
    save_bundle(out, bundle)
    return bundle


def held_out(pairs: Path) -> Iterator[tuple[Tensor, dict[float, Tensor]]]:
    """HR (1, 3, H, W) and its true views of every held-out photograph."""
    scenes = find_scenes(pairs, "pattern", pattern=load_yaml(pairs / PATTERN_FILE))
    dataset = AlignedScales(scenes, (1.0, *SCALES))
    for index in range(len(dataset)):
        item = dataset[index]
        yield item["hr"][None], {scale: view[None] for scale, view in zip(SCALES, item["views"], strict=True)}


def fidelity(generator: DegFlow, pairs: Path) -> list[float]:
    """Mean Y-PSNR in dB at each of ``SCALES``."""
    found: list[list[float]] = [[] for _ in SCALES]
    for hr, views in held_out(pairs):
        for values, rendered, scale in zip(found, generator.render_scales(hr, SCALES), SCALES, strict=True):
            values.append(float(psnr_y(rendered, views[scale], eight_bit=True)))
    return [sum(values) / len(values) for values in found]


def gmac(generator: DegFlow) -> float:
    """Multiply-adds in 1e9 of the networks on a 256x256 patch with the bundle's own sampler."""
    with FlopCounterMode(display=False) as counter:
        generator.render(torch.zeros(1, 3, 256, 256), generator.knots[-1])
    return counter.get_total_flops() / 2e9


def milliseconds(generators: dict[str, DegFlow]) -> dict[str, float]:
    """Median time of LR at scale 4 of eight 256x256 images, the candidates in turn."""
    hr = torch.rand(8, 3, 256, 256, generator=torch.Generator().manual_seed(0))

    def call(generator: DegFlow) -> Callable[[], Tensor]:
        return lambda: generator(hr, generator.knots[-1])

    return medians({name: call(generator) for name, generator in generators.items()}, SECONDS * len(generators))


def iterations(bundle: Bundle) -> int:
    """Iterations of all stages."""
    return sum(bundle.spec.training["iterations"].values())


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as a markdown table."""
    head = ["candidate", "GMAC", "ms", "iterations", *(f"x{scale:g}" for scale in SCALES), "mean"]
    cells = [
        [
            row["candidate"], f"{row['gmac']:.2f}", f"{row['ms']:.0f}", str(row["iterations"]),
            *(f"{value:.2f}" for value in (*row["psnr_y"], row["mean"])),
        ]
        for row in rows
    ]  # fmt: skip
    return markdown_table(head, cells)


def main(arguments: list[str] | None = None) -> None:
    """Train, compare, time; write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=4.0, help="processor minutes of each candidate")
    parser.add_argument("--candidates", help="names out of the table, with ; between, each maybe with @ and a rate")
    parser.add_argument("--threads", type=int, default=2, help="for the timing")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path("preset_sizes"))
    parser.add_argument("--out", type=Path, default=RESULTS / "preset_sizes")
    args = parser.parse_args(arguments)
    degflow_aug.register()
    names = args.candidates.split(";") if args.candidates else list(CANDIDATES)
    torch.set_num_threads(1)
    train_pairs, test_pairs = args.work / "train", args.work / "test"
    for photographs, folder in zip(bundled_photographs(), (train_pairs, test_pairs), strict=True):
        with Progress() as progress:
            write_simulated_pairs(photographs, SCALES, folder, progress)
    with processor_clock():
        bundles = {name: train(name, train_pairs, args.work, args.minutes, args.seed) for name in names}
    generators = {name: DegFlow.from_bundle(bundle) for name, bundle in bundles.items()}
    psnr = {name: fidelity(generator, test_pairs) for name, generator in generators.items()}
    torch.set_num_threads(args.threads)
    times = milliseconds(generators)
    rows = [
        {
            "candidate": name, "gmac": gmac(generator), "ms": times[name], "psnr_y": psnr[name],
            "mean": sum(psnr[name]) / len(SCALES), "iterations": iterations(bundles[name]),
            "rae": bundles[name].spec.rae, "velocity": bundles[name].spec.velocity,
        }
        for name, generator in generators.items()
    ]  # fmt: skip
    known = facts(torch.device("cpu"), minutes=args.minutes, seed=args.seed, scales=SCALES)
    write_results(args.out, {"facts": known, "rows": rows}, table(rows))
    print(table(rows))


class processor_clock:
    """A context in which the clock that fits go by counts this process's processor time."""

    def __enter__(self) -> None:
        self.clock: Callable[[], float] = time.monotonic
        time.monotonic = time.process_time

    def __exit__(self, *raised: object) -> None:
        time.monotonic = self.clock


if __name__ == "__main__":
    main()
