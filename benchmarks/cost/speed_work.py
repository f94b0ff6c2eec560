"""What each piece of speed work is worth alone, on the generator ``small``: taken away, or added.

    python -m benchmarks.cost.speed_work [--rounds 15] [--threads 2]

Eight 256x256 images to LR at scale 4, random weights, all variants in turn in every round. LR is the same for all of
them but for rounding, except for ``not anchored``: there the decoder adds to the HR image and not to the view of a
fitted kernel, so that LR is another. Writes JSON and Markdown below ``benchmarks/results/<device>/``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from benchmarks.shared.generators import fresh_networks
from benchmarks.shared.measurement import medians
from benchmarks.shared.results import facts, markdown_table, results_folder, write_results
from degflow_aug.archs.generator.rae_blocks import ResidualBlock, ScaledBlocks
from degflow_aug.degradations.generator.degflow import DegFlow

AS_IT_IS, NOT_ANCHORED = "as it is", "not anchored"
Call = Callable[[], Tensor]


def generator(*, anchored: bool = True, **settings: Any) -> DegFlow:
    """A generator of the preset ``small`` with its default sampler, its decoder anchored or added to the HR image."""
    made = fresh_networks("small")
    made = made if anchored else made.unanchored()
    return made.degflow(made.solver, made.steps, **settings)


def unfused_gates(self: ScaledBlocks, x: Tensor) -> Tensor:
    """The gated blocks as products and sums."""
    y = x + self.beta * self.RB0(x)
    return y if self.RB1 is None else y + self.gamma * self.RB1(y)


def with_gelu_in_place(self: ResidualBlock, x: Tensor) -> Tensor:
    """The residual block with its activations in the memory of its norms."""
    h = self.conv0(torch.ops.aten.gelu_(self.norm0(x)))
    return x + self.conv1(torch.ops.aten.gelu_(self.norm1(h)))


def patched(call: Call, target: object, name: str, replacement: object) -> Call:
    """``call`` with an attribute replaced while it runs."""

    def run() -> Tensor:
        with patch.object(target, name, replacement):
            return call()

    return run


def variants(hr: Tensor, compiled: bool) -> dict[str, Call]:
    """A call for each variant; all give the same LR images but for rounding, which is coarser in bf16, and but for
    ``not anchored``, whose decoder adds to another image."""
    plain, first, on_hr = generator(), generator(), generator(anchored=False)
    first.to(memory_format=torch.contiguous_format)
    half = generator(amp="bf16")

    def call() -> Tensor:
        return plain(hr, 4.0)

    found: dict[str, Call] = {
        AS_IT_IS: call,
        "channels first in memory": lambda: first(hr, 4.0),
        "gates as products and sums": patched(call, ScaledBlocks, "blocks", unfused_gates),
        "GELU in place": patched(call, ResidualBlock, "forward", with_gelu_in_place),
        "four images at a time": lambda: torch.cat([plain(part, 4.0) for part in hr.split(4)]),
        NOT_ANCHORED: lambda: on_hr(hr, 4.0),
        "bf16": lambda: half(hr, 4.0),
    }
    if compiled:
        fused, fused_half = generator(compile=True), generator(compile=True, amp="bf16")
        found |= {"compiled": lambda: fused(hr, 4.0), "compiled, bf16": lambda: fused_half(hr, 4.0)}
    return found


def table(found: dict[str, float]) -> str:
    """Times and their ratios to the generator as it is."""
    rows = [[name, f"{value:.1f}", f"{value / found[AS_IT_IS]:.2f}"] for name, value in found.items()]
    return markdown_table(["variant", "ms a batch, median", "to as it is"], rows)


def main(arguments: list[str] | None = None) -> None:
    """Measure, write, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--no-compile", action="store_true", help="leave out the compiled variants")
    parser.add_argument("--out", type=Path, help="without suffix (default: below results/<device>)")
    args = parser.parse_args(arguments)
    torch.set_num_threads(args.threads)
    hr = torch.rand(8, 3, 256, 256, generator=torch.Generator().manual_seed(0))
    found = medians(variants(hr, not args.no_compile), args.rounds)
    device = torch.device("cpu")
    text = f"# What each piece of speed work is worth alone\n\n{table(found)}"
    write_results(args.out or results_folder(device) / "speed_work", {"facts": facts(device), "ms": found}, text)
    print(text)


if __name__ == "__main__":
    main()
