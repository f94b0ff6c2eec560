"""The parts that a report is made of: tables, charts, images and facts, as data; ``report/`` fills them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import nan
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

# What float32 holds: beyond, an axis would leave the range of float64.
_SMALL, _LARGE = 1e-45, 3.5e38


def _held(value: float) -> bool:
    return not value or _SMALL <= abs(value) <= _LARGE


@dataclass(frozen=True)
class Series:
    """A line of a chart: values by iteration or scale, rising; one that is not finite or beyond float32 is a gap."""

    name: str
    x: Sequence[float]
    y: Sequence[float]

    def __post_init__(self) -> None:
        points = [(at, value if _held(value) else nan) for at, value in zip(self.x, self.y, strict=True) if _held(at)]
        object.__setattr__(self, "x", [at for at, _ in points])
        object.__setattr__(self, "y", [value for _, value in points])


@dataclass(frozen=True)
class Chart:
    """Lines over one axis.

    Attributes:
        title, note: plain text above the chart.
        x_name: of the axis, iteration or scale.
        marks: places on the axis to mark, such as resumes.
        noisy: the lines are shown smoothed, beside the values themselves, and by default on a logarithmic scale.
    """

    title: str
    series: Sequence[Series]
    x_name: str = "iteration"
    note: str = ""
    marks: Sequence[float] = ()
    noisy: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "marks", [at for at in self.marks if _held(at)])


@dataclass(frozen=True)
class Table:
    """Cells of plain text; ``best`` are the cells (row, column) to stress."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""
    best: frozenset[tuple[int, int]] = frozenset()


@dataclass(frozen=True)
class Strip:
    """A picture (H, W, 3), RGB in uint8, of columns of equal width with a name each; no names: one picture."""

    title: str
    pixels: np.ndarray
    columns: Sequence[str] = ()


@dataclass(frozen=True)
class Report:
    """All of a page, in the order it is shown.

    Attributes:
        title: name of the run.
        subtitle: what it is and how it stands, one line.
        warnings: a sentence each.
        facts: by name; those of ``code`` are shown as code.
        settings: text shown when asked for, by its heading.
    """

    title: str
    subtitle: str = ""
    warnings: Sequence[str] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    code: frozenset[str] = frozenset({"command"})
    charts: Sequence[Chart] = ()
    tables: Sequence[Table] = ()
    strips: Sequence[Strip] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
