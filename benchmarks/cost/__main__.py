"""What degradations cost on the present device: bicubic, Real-ESRGAN as BasicSR ships it and ours, DegFlow.

    python -m benchmarks.cost --precision bf16              # all of it on a GPU, under 10 minutes
    python -m benchmarks.cost --precision bf16 --compile --parts methods    # as many sizes as there is time
    python -m benchmarks.cost --batches 8 --patches 256 --bundle official=camera.safetensors \\
        --longest 2000 --minutes 60                                     # a CPU, with all that RK45 takes

One run measures everything, methods taking turns: times of a batch, and on a GPU its memory; views at many scales
against single calls; and time against image size. Writes JSON, Markdown and a plot below
``benchmarks/results/<device>/``. Generators have random weights unless a bundle is named for their preset.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from typing import Any

import torch

from benchmarks.cost.growth import against_scales, against_size
from benchmarks.cost.methods import (
    OURS,
    SHIPPED,
    SHIPPED_PATCH,
    SHIPPED_SIDE,
    STOCK,
    Batch,
    Entry,
    generator_entries,
    plain_entries,
)
from benchmarks.cost.options import parse
from benchmarks.cost.report import add_ratios, make_row, plot_costs, report
from benchmarks.shared.generators import Networks, preset_networks
from benchmarks.shared.measurement import Method, Plan, in_turns, peak_megabytes
from benchmarks.shared.photographs import patches
from benchmarks.shared.results import device_name, facts, results_folder, write_results

DRAWS = 20
SIDES = (256, 512, 1024, 2048, 4096)


def entries(args: argparse.Namespace, networks: Mapping[str, Networks]) -> dict[str, Entry]:
    """The methods that were asked for; the stock row is among them in any case, for the ratios."""
    settings = {"amp": {"fp32": "none", "bf16": "bf16"}[args.precision], "compile": args.compile, "tile": args.tile}
    # A camera that was seen at lower scales costs the same there.
    settings["extrapolate"] = True
    found = plain_entries(torch.device(args.device), args.scale)
    for name in args.presets:
        found |= generator_entries(name, networks[name], args.scale, settings, args.longest)
    wanted = [part.lower() for part in args.methods]
    chosen = {name: entry for name, entry in found.items() if any(part in name.lower() for part in wanted)}
    return {STOCK: found[STOCK], **chosen} if wanted else found


def measure_size(
    chosen: Mapping[str, Entry],
    size: tuple[int, int],
    device: torch.device,
    plan: Plan,
    seed: int,
) -> list[dict[str, Any]]:
    """Measure the rows of all methods at one size, (batch, patch)."""
    count, patch = size
    wide = patches(count, SHIPPED_SIDE, SHIPPED_SIDE, seed).to(device) if patch == SHIPPED_PATCH else None
    batch = Batch(patches(count, patch, patch, seed).to(device), wide)
    methods: dict[str, Method] = {
        name: (lambda repetition, entry=entry: entry.prepare(batch, repetition))  # type: ignore[misc]
        for name, entry in chosen.items()
        if wide is not None or not entry.shipped
    }
    rows = []
    # What they cost depends on what is drawn: a mean over few draws says little, and the first is the measure of all.
    drawn = {name: DRAWS for name in methods if name in (STOCK, f"{STOCK}, {SHIPPED}", OURS)}
    for name, timing in in_turns(methods, device, plan, drawn).items():
        row = make_row(name, count, patch, timing, chosen[name].facts)
        if not timing.skipped and (peak := peak_megabytes(methods[name], device)) is not None:
            row["peak_mb"] = peak
        rows.append(row)
    return rows


def growth(args: argparse.Namespace, networks: Mapping[str, Networks], plan: Plan) -> dict[str, Any]:
    """Cost against the number of scales and against image size, of each preset's default."""
    device = torch.device(args.device)
    found: dict[str, Any] = {"scales": {}, "sizes": {}}
    for name in args.growing:
        print(f"growth of {name}", flush=True)
        built = networks[name]
        amp = {"fp32": "none", "bf16": "bf16"}[args.precision]
        # Each size would be compiled by itself, which takes longer than all of its repetitions.
        generator = built.copied().degflow(built.solver, built.steps, amp=amp, tile=args.tile)
        if "scales" in args.parts:
            found["scales"][name] = against_scales(generator, args.scales, args.side, device, plan)
        if "sizes" in args.parts:
            sides = [side for side in SIDES if side <= args.largest] or [args.largest]
            found["sizes"][name] = against_size(generator, sides, args.size_scales, device, plan)
    return found


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measure what was asked for."""
    torch.set_num_threads(args.threads)
    torch.backends.cudnn.benchmark = args.cudnn_benchmark
    if args.compile:
        # Shapes are few and fixed: one compilation each is faster than one for all of them.
        torch._dynamo.config.automatic_dynamic_shapes = False
        limit = "recompile_limit" if hasattr(torch._dynamo.config, "recompile_limit") else "cache_size_limit"
        setattr(torch._dynamo.config, limit, 256)
    device = torch.device(args.device)
    warm_up = 3 if device.type == "cuda" else 1 + args.compile
    plan = Plan(args.seconds, args.longest, warm_up=warm_up, until=time.monotonic() + 60 * args.minutes)
    networks = {
        name: preset_networks(name, device, args.bundle.get(name), args.seed)
        for name in dict.fromkeys((*args.presets, *args.growing))
    }
    rows: list[dict[str, Any]] = []
    # Before anything is compiled, and while there is time.
    grown = growth(args, networks, plan) if {"scales", "sizes"} & set(args.parts) else {"scales": {}, "sizes": {}}
    if "methods" in args.parts:
        chosen = entries(args, networks)
        for count, patch in ((count, patch) for patch in args.patches for count in args.batches):
            print(f"batch {count} of {patch}x{patch}", flush=True)
            rows += measure_size(chosen, (count, patch), device, plan, args.seed)
    add_ratios(rows)
    known = facts(
        device, seed=args.seed, scale=args.scale, precision=args.precision, compile=args.compile, tile=args.tile,
        seconds=args.seconds, longest=args.longest, minutes=args.minutes,
        weights={name: built.weights for name, built in networks.items()},
        default={name: f"{built.solver}-{built.steps}" for name, built in networks.items()},
    )  # fmt: skip
    return {"facts": known, "methods": rows, **grown}


def main(arguments: list[str] | None = None) -> None:
    """Measure, write, print."""
    args = parse(__doc__, arguments)
    content = run(args)
    device = torch.device(args.device)
    suffix = ("_bf16" if args.precision == "bf16" else "") + ("_compiled" if args.compile else "")
    stem = args.out or results_folder(device) / f"degradation_cost{suffix}"
    write_results(stem, content, text := report(content))
    plot_costs(stem.with_name(stem.name + ".png"), content["methods"], device_name(device))
    print(text)


if __name__ == "__main__":
    main()
