"""LR patches of a shipped bundle, called and replayed as a CUDA graph: what the launches of kernels cost.

    python -m benchmarks.gpu.graphs --batch 16 --size 256

``lr_patches`` with scales on the device copies nothing between CPU and GPU and reads nothing back, so that a graph can
hold it. Noise is left out: its random stream would have to be registered with the graph.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from torch import Tensor

import degflow_aug
from benchmarks.shared.arguments import add_device
from benchmarks.shared.measurement import Method, Plan, in_turns, peak_megabytes
from benchmarks.shared.photographs import patches
from benchmarks.shared.results import facts, markdown_table, results_folder, write_results

HIGHEST = 2.9
"""Of the scales of City100's bundles."""


def captured(call: Callable[[], Tensor], device: torch.device) -> Callable[[], object]:
    """The replay of ``call`` as a CUDA graph; on a CPU the call itself."""
    if device.type != "cuda":
        return call
    side = torch.cuda.Stream(device)
    side.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(side):
        for _ in range(3):
            call()
    torch.cuda.current_stream(device).wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call()
    return graph.replay


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", default="city100-iphone")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--size", type=int, default=256, help="side of HR patches")
    parser.add_argument("--seconds", type=float, default=5.0, help="of repetitions")
    add_device(parser)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Measure, write, print."""
    args = parse(arguments)
    torch.set_num_threads(args.threads)
    device = torch.device(args.device)
    generator = degflow_aug.load_generator(args.bundle, amp="bf16").to(device)
    hr = patches(args.batch, args.size, args.size).to(device)
    scales, side = torch.linspace(1, HIGHEST, args.batch).to(device), int(args.size / HIGHEST)

    def call() -> Tensor:
        return generator.lr_patches(hr, scales, side)

    replay = captured(call, device)
    methods: dict[str, Method] = {"called": lambda _: call, "as a CUDA graph": lambda _: replay}
    rows = [
        {
            "method": name, "skipped": timing.skipped, "repetitions": len(timing.seconds), "median": timing.median,
            "mean": timing.mean, "peak_mb": peak_megabytes(methods[name], device),
        }
        for name, timing in in_turns(methods, device, Plan(args.seconds, warm_up=2)).items()
    ]  # fmt: skip
    known = facts(device, bundle=args.bundle, batch=args.batch, size=args.size, lr_size=side, precision="bf16")
    cells = [
        [str(row["method"]), f"{1e3 * float(row['median']):.3g}", f"{1e3 * float(row['mean']):.3g}"] for row in rows
    ]
    title = f"# LR patches of {args.bundle} as a CUDA graph\n\n{args.batch} patches of {args.size}x{args.size}, bf16"
    text = f"{title}\n\n{markdown_table(['lr_patches', 'ms a batch, median', 'mean'], cells)}"
    write_results(args.out or results_folder(device) / "graphs", {"facts": known, "rows": rows}, text)
    print(text)


if __name__ == "__main__":
    main()
