"""How the cost of generating views grows: with the scales taken from one HR image, and with its pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.shared.measurement import Call, Method, Plan, Timing, in_turns, once
from benchmarks.shared.photographs import patches
from degflow_aug.degradations.generator.degflow import DegFlow


@dataclass(frozen=True)
class LinearFit:
    """seconds = intercept + slope pixels by least squares.

    Attributes:
        r2: share of the variance explained.
        largest_deviation: of a measured time from the line, as a part of that time.
    """

    slope: float
    intercept: float
    r2: float
    largest_deviation: float


def linear_fit(pixels: Sequence[float], seconds: Sequence[float]) -> LinearFit:
    """The line through at least two points."""
    x, y = np.asarray(pixels, dtype=np.float64), np.asarray(seconds, dtype=np.float64)
    slope, intercept = np.polynomial.Polynomial.fit(x, y, 1).convert(domain=[-1, 1]).coef[::-1]
    error = y - (intercept + slope * x)
    spread = float(((y - y.mean()) ** 2).sum())
    r2 = 1 - float((error**2).sum()) / spread if spread else 1.0
    return LinearFit(float(slope), float(intercept), r2, float(np.abs(error / y).max()))


def scales_of(count: int, highest: float) -> list[float]:
    """``count`` scales at even distances, the highest last."""
    return [1 + (highest - 1) * (index + 1) / count for index in range(count)]


def against_scales(
    generator: DegFlow, counts: Sequence[int], side: int, device: torch.device, plan: Plan
) -> list[dict[str, Any]]:
    """Views at several scales from one encoding against as many single calls, in turns.

    Returns:
        For each count the medians in seconds of ``together`` and ``apart``, their ``ratio`` and the repetitions, or
        why it was skipped.
    """
    hr = patches(1, side, side).to(device)
    single = _together(generator, hr, scales_of(1, generator.knots[-1]))(0)
    # As many single calls as the last one would take, before any is made.
    expected = min(once(single, device) for _ in range(2))
    reason = f"expected to take over {plan.longest:g} s"
    left_out = {count: reason for count in counts if count * expected > plan.longest}
    methods: dict[str, Method] = {}
    for count in (count for count in counts if count not in left_out):
        scales = scales_of(count, generator.knots[-1])
        methods[f"together {count}"] = _together(generator, hr, scales)
        methods[f"apart {count}"] = _apart(generator, hr, scales)
    timings = in_turns(methods, device, plan)
    rows = []
    for count in counts:
        together, apart = (timings.get(f"{way} {count}", Timing()) for way in ("together", "apart"))
        skipped = left_out.get(count) or together.skipped or apart.skipped
        row: dict[str, Any] = {"scales": count, "side": side, "skipped": skipped}
        if not row["skipped"]:
            row |= {"together": together.median, "apart": apart.median, "repetitions": len(together.seconds)}
            row["ratio"] = row["together"] / row["apart"]
        rows.append(row)
    return rows


def _together(generator: DegFlow, hr: Tensor, scales: Sequence[float]) -> Method:
    return lambda repetition: lambda: generator.render_scales(hr, scales)


def _apart(generator: DegFlow, hr: Tensor, scales: Sequence[float]) -> Method:
    def one_after_another() -> None:
        for scale in scales:
            generator.render(hr, scale)

    return lambda repetition: one_after_another


def against_size(
    generator: DegFlow, sides: Sequence[int], count: int, device: torch.device, plan: Plan
) -> dict[str, Any]:
    """Views at ``count`` scales of one square image against its pixels, and the line through the times.

    Each side is measured by itself and stops the larger ones where it takes too long.
    """
    scales = scales_of(count, generator.knots[-1])
    each = replace(plan, seconds=plan.seconds / len(sides))
    rows: list[dict[str, Any]] = []
    for side in sides:
        hr = patches(1, side, side).to(device)
        call: Call = _together(generator, hr, scales)(0)
        timing = in_turns({"size": lambda repetition, call=call: call}, device, each)["size"]  # type: ignore[misc]
        rows.append({"side": side, "pixels": side * side, "tiled": side > generator.tile, "skipped": timing.skipped})
        if timing.skipped:
            break
        rows[-1] |= {"seconds": timing.median, "repetitions": len(timing.seconds)}
    measured = [row for row in rows if not row["skipped"]]
    found: dict[str, Any] = {"scales": count, "tile": generator.tile, "rows": rows}
    if len(measured) > 1:
        fit = linear_fit([row["pixels"] for row in measured], [row["seconds"] for row in measured])
        found["fit"] = asdict(fit)
    return found
