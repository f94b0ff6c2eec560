"""The rows of how real LR is, and their table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from degflow_aug.console.plain_text import one_line

if TYPE_CHECKING:
    from degflow_aug.metrics.two_sample import TwoSample

_NETWORKS = {"plain": "small network", "residual": "network on residuals"}
REALISM_HEAD = ("scale", "scenes", *_NETWORKS.values(), "noise KLD", "chroma at edges (real)")
REALISM_LEGEND = (
    "Accuracy and AUC of networks that tell generated LR from real LR of scenes they have not seen (50 % and 0.5: they "
    "cannot), ± half of what three parts of the scenes differ by; KLD in nats, and chroma to luma at edges, of what LR "
    "has beside LR without noise"
)


@dataclass(frozen=True)
class RealismRow:
    """How real the LR of one camera is at one scale.

    Attributes:
        scenes: how many were compared.
        two_sample: results by classifier; empty where there are none.
        reason: why there are none, in one sentence.
        noise_kld: see :func:`residual_kld`; large without noise.
        edge_chroma, real_edge_chroma: see :func:`edge_chroma`; NaN without noise.
    """

    camera: str
    scale: float
    scenes: int
    two_sample: Mapping[str, TwoSample]
    reason: str
    noise_kld: float
    edge_chroma: float
    real_edge_chroma: float


def realism_cells(row: RealismRow) -> list[str]:
    """Return the cells of a row below ``REALISM_HEAD``."""
    return [
        f"x{row.scale:g}", str(row.scenes), *(_told(row.two_sample.get(name)) for name in _NETWORKS),
        f"{row.noise_kld:.4f}", f"{_ratio(row.edge_chroma)} ({_ratio(row.real_edge_chroma)})",
    ]  # fmt: skip


def format_realism(rows: Iterable[RealismRow]) -> str:
    """Format rows as aligned text, a block per camera, with a line per test that there is not."""
    blocks: dict[str, list[RealismRow]] = {}
    for row in rows:
        blocks.setdefault(row.camera, []).append(row)
    return "\n\n".join([*(_block(camera, own) for camera, own in blocks.items()), REALISM_LEGEND])


def reasons(rows: Iterable[RealismRow]) -> list[str]:
    """Return a line per scale that has no two-sample test, with the reason."""
    return [f"x{row.scale:g}: {row.reason}" for row in rows if row.reason]


def _block(camera: str, rows: Sequence[RealismRow]) -> str:
    table = [(one_line(camera), *REALISM_HEAD[1:]), *map(realism_cells, rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ["  ".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True)) for cells in table]
    return "\n".join([*lines, *reasons(rows)])


def _told(found: TwoSample | None) -> str:
    if found is None:
        return "-"
    share, spread = 100 * found.accuracy, 100 * found.accuracy_spread
    return f"{share:.1f} ± {spread:.1f} %, {found.auc:.3f} ± {found.auc_spread:.3f}"


def _ratio(value: float) -> str:
    return "-" if value != value else f"{value:.2f}"
