"""Tables and plot of the downstream benchmark."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from pathlib import Path

from benchmarks.downstream.kinds import BICUBIC, REALESRGAN, TRUE_PAIRS
from benchmarks.downstream.scores import Scores
from benchmarks.shared.plot import Axis, Panel, write_panels
from benchmarks.shared.results import markdown_table

REFERENCES = (BICUBIC, REALESRGAN, TRUE_PAIRS)


def fidelity_table(scores: Scores, knots: Collection[float] = ()) -> str:
    """Y-PSNR in dB, mean over seeds ± half their spread, and mean SSIM; a column per scale."""

    def cell(kind: str, scale: str) -> str:
        psnr = scores.spread(kind, scale)
        return f"{psnr.mean:.2f} ± {psnr.half:.2f} / {scores.spread(kind, scale, 'ssim').mean:.4f}"

    return _table("trained on LR from", scores, cell, knots)


def gain_table(scores: Scores) -> str:
    """Share of the true pairs' gain over bicubic, and marks of the difference to each of the references."""

    def cell(kind: str, scale: str) -> str:
        share = scores.share(kind, scale)
        return f"{'-' if share is None else percent(share)} `{_marks(scores, kind, scale)}`"

    return _table("part of the gain", scores, cell)


def percent(share: float) -> str:
    """A share in per cent, rounded down, so that no share reads as more than it is."""
    return f"{math.floor(100 * share + 1e-9)} %"


def report(scores: Scores, knots: Collection[float] = ()) -> str:
    """Both tables, and what the marks mean."""
    references = ", ".join(each for each in REFERENCES if each in scores.kinds)
    legend = (
        f"Share of what true pairs gain over bicubic in Y-PSNR, rounded down (-: no gain beyond the seeds), and how a "
        f"kind stands to {references}, in this order: `>` above, `<` below by more than the sum of both half spreads, "
        "`=` not; `?` one seed, `.` itself."
    )
    parts = [fidelity_table(scores, knots), *([legend, gain_table(scores)] if references else [])]
    return "\n\n".join(parts) + "\n"


def write_scores_plot(path: Path, scores: Scores, title: str) -> None:
    """Y-PSNR and SSIM against scale, bars from the lowest seed to the highest; of one scale, kinds side by side."""
    alone = len(scores.scales) == 1
    marks = tuple(float(scale) for scale in scores.scales)
    x = Axis(f"kinds at x{scores.scales[0]}", marks=(-1.0,)) if alone else Axis("scale", marks=marks)
    panels = []
    for metric, name in (("psnr", "Y-PSNR, dB"), ("ssim", "Y-SSIM")):
        series = {
            kind: [(float(number) if alone else float(s), *scores.spread(kind, s, metric)) for s in scores.scales]
            for number, kind in enumerate(scores.kinds)
        }
        panels.append(Panel(series, Axis(name)))
    write_panels(path, title, panels, x)


def _table(title: str, scores: Scores, cell: Callable[[str, str], str], knots: Collection[float] = ()) -> str:
    """A row per kind, a column per scale."""
    head = [f"x{scale}{' (knot)' if float(scale) in knots else ''}" for scale in scores.scales]
    return markdown_table([title, *head], [[kind, *(cell(kind, s) for s in scores.scales)] for kind in scores.kinds])


def _marks(scores: Scores, kind: str, scale: str) -> str:
    references = [each for each in REFERENCES if each in scores.kinds]
    return "".join("." if each == kind else scores.compare(kind, each, scale) for each in references)
