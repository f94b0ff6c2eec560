"""How much of a training step the degradation takes, for EDSR-LIIF, RRDBNet x4 and SwinIR x4.

    python -m benchmarks.cost.step_share                                   # on a GPU: sizes of the option files
    python -m benchmarks.cost.step_share --networks EDSR-LIIF --batch 4 --precision bf16
    python -m benchmarks.cost.step_share --batch 1 --size 128 --steps 2               # on a CPU

Networks, losses and optimisers are those of ``basicsr_options``; a step is degradation, forward, backward, optimiser
and EMA. The degradations take turns, a few steps at a time, and beside them stands the same step on LR that is there
already. Writes JSON and Markdown below ``benchmarks/results/<device>/``.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from benchmarks.shared.arguments import add_device
from benchmarks.shared.photographs import patches
from benchmarks.shared.results import facts, markdown_table, results_folder, write_results
from benchmarks.shared.step_models import NETWORKS, build, sections, step_options, write_bundle

READY = "none, LR is there"
PART = "degradation"


@dataclass
class Share:
    """Of one degradation under one network, an entry each round.

    Attributes:
        seconds: of a whole step.
        share: of the step's time, by the model's own stopwatch.
        peak_mb: the most that PyTorch's allocator held on a GPU, networks and optimiser included; none on a CPU.
    """

    seconds: list[float] = field(default_factory=list)
    share: list[float] = field(default_factory=list)
    peak_mb: list[float] = field(default_factory=list)


def measure(model: Any, sources: Mapping[str, Any], gt: torch.Tensor, rounds: int, steps: int) -> dict[str, Share]:
    """Rounds over the degradations and over LR that is there already, ``steps`` steps each, after one of each."""
    found = {name: Share() for name in (*sources, READY)}
    model.source = next(iter(sources.values()))
    model.feed_data({"gt": gt})
    ready = {"gt": gt, "lq": model.batch.lq.cpu(), "scale": model.batch.scales.float()}
    number = 0
    for turn in range(rounds + 1):
        for name, share in found.items():
            model.source = sources.get(name, model.source)
            batch = ready if name == READY else {"gt": gt}
            model.stopwatch.share(PART)
            _wait(model.device)
            if model.device.type == "cuda":
                torch.cuda.reset_peak_memory_stats(model.device)
            begin = time.perf_counter()
            for _ in range(steps):
                number += 1
                model.feed_data(dict(batch))
                model.optimize_parameters(number)
            _wait(model.device)
            if turn:
                share.seconds.append((time.perf_counter() - begin) / steps)
                share.share.append(model.stopwatch.share(PART))
                if model.device.type == "cuda":
                    share.peak_mb.append(torch.cuda.max_memory_allocated(model.device) / 1e6)
    return found


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def row(network: str, name: str, found: Mapping[str, Share], train: Mapping[str, Any]) -> dict[str, Any]:
    """Medians over the rounds; ``added`` is the part of the step that is not there with LR at hand."""
    seconds = statistics.median(found[name].seconds)
    ready = statistics.median(found[READY].seconds)
    return {
        "network": network, "degradation": name, "batch": train["batch_size_per_gpu"], "gt_size": train["gt_size"],
        "seconds": seconds, "share": statistics.median(found[name].share), "added": 1 - ready / seconds,
        "peak_mb": max(found[name].peak_mb, default=None),
    }  # fmt: skip


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown, a row for each network and degradation."""
    head = [
        "network",
        "degradation",
        "batch",
        "HR patch",
        "ms a step",
        "share",
        "added to a step with LR at hand",
        "peak MB",
    ]
    cells = [
        [
            row["network"], row["degradation"], str(row["batch"]), str(row["gt_size"]), f"{1e3 * row['seconds']:.1f}",
            *(["", ""] if row["degradation"] == READY else [f"{row['share']:.1%}", f"{row['added']:.1%}"]),
            "" if row["peak_mb"] is None else f"{row['peak_mb']:.0f}",
        ]
        for row in rows
    ]  # fmt: skip
    return markdown_table(head, cells)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=list(NETWORKS), default=list(NETWORKS))
    parser.add_argument("--preset", default="small")
    parser.add_argument("--bundle", type=Path, help="a generator in place of one of the preset's size")
    parser.add_argument("--batch", type=int, help="samples a step (default: the option file's)")
    parser.add_argument("--size", type=int, help="side of HR patches (default: the option file's)")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=5, help="of each degradation in a round")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32", help="of network and degradation")
    parser.add_argument("--compile", action="store_true", help="network and generator")
    parser.add_argument("--seed", type=int, default=0)
    add_device(parser)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Measure every network, write, print."""
    args = parse(arguments)
    torch.set_num_threads(args.threads)
    device = torch.device(args.device)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bundle = args.bundle or write_bundle(args.preset, folder / "random.safetensors", args.seed)
        for network in args.networks:
            print(network, flush=True)
            opt = step_options(network, args, folder)
            train = opt["datasets"]["train"]
            label = args.preset if args.bundle is None else args.bundle.stem
            model, sources = build(opt, sections(bundle, label, args.precision, args.compile))
            gt = patches(train["batch_size_per_gpu"], train["gt_size"], train["gt_size"], args.seed)
            found = measure(model, sources, (gt * 255).round().byte(), args.rounds, args.steps)
            rows += [row(network, kind, found, train) for kind in found]
            del model, sources
    known = facts(device, **{key: getattr(args, key) for key in ("precision", "compile", "rounds", "steps", "seed")})
    known["bundle"] = str(args.bundle.name) if args.bundle else f"random weights, preset {args.preset}"
    device_line = f"{known['device']}, {known['threads']} threads, {args.precision}; {known['bundle']}"
    text = f"# Share of a training step\n\n{device_line}\n\n{table(rows)}"
    suffix = ("_bf16" if args.precision == "bf16" else "") + ("_compiled" if args.compile else "")
    write_results(args.out or results_folder(device) / f"step_share{suffix}", {"facts": known, "rows": rows}, text)
    print(text)


if __name__ == "__main__":
    main()
