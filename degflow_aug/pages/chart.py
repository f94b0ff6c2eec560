"""Draw a chart as HTML: lines by matplotlib, an SVG inside the page, and a legend below it."""

from __future__ import annotations

import io
import logging
import re
from typing import TYPE_CHECKING

import numpy as np

from degflow_aug.pages.document import text
from degflow_aug.pages.report_content import Chart, Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_POINTS = 500
SMOOTHED_SHARE = 0.05
"""Share of the points over which a noisy line is smoothed."""
FEW_POINTS = 30
"""Points up to which a line shows each of them."""
LOGARITHMIC_RATIO = 3.0
"""Noisy lines whose values differ by more are drawn on a logarithmic axis."""
SIZE = (4.8, 2.8)
"""Width and height in inches of 72 units; the page stretches them."""
# matplotlib wants colours, the page has variables, which change where it is dark.
COLOURS = {f"#00000{number}": f"var(--series-{number})" for number in range(1, 6)}
INK = {"#000006": "var(--quiet)", "#000007": "var(--line)"}
QUIET, LINE = INK
STROKES = {"": "-", " dashed": "--", " dotted": ":"}
SETTINGS = {
    "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 10.0, "axes.edgecolor": LINE,
    "axes.labelcolor": QUIET, "xtick.color": LINE, "ytick.color": LINE, "xtick.labelcolor": QUIET,
    "ytick.labelcolor": QUIET, "figure.facecolor": "none", "axes.facecolor": "none",
    "axes.spines.top": False, "axes.spines.right": False, "grid.color": LINE,
}  # fmt: skip


def chart_html(chart: Chart, number: int) -> str:
    """Make a ``<figure>`` of the chart, the ``number``-th of its page; empty where no value is finite."""
    values = np.concatenate([np.empty(0), *(np.asarray(series.y, float) for series in chart.series)])
    values = values[np.isfinite(values)]
    if not values.size:
        return ""
    logarithmic = chart.noisy and values.min() > 0 and values.max() > LOGARITHMIC_RATIO * values.min()
    note = f' <span class="quiet">{text(chart.note)}</span>' if chart.note else ""
    return (
        f'<figure class="chart"><figcaption><b>{text(chart.title)}</b>{note}</figcaption>'
        f'{_svg(chart, logarithmic, number)}<p class="legend">{_legend(chart)}</p></figure>'
    )


def thinned(series: Series) -> Series:
    """Thin a series to at most ``MOST_POINTS`` points and its end: the lowest and highest of every group."""
    count = len(series.x)
    if count <= MOST_POINTS:
        return series
    y = np.asarray(series.y, float)
    kept = {count - 1}
    for group in np.array_split(np.arange(count), MOST_POINTS // 2):
        finite = group[np.isfinite(y[group])]
        if finite.size:
            kept |= {int(finite[y[finite].argmin()]), int(finite[y[finite].argmax()])}
    return Series(series.name, [series.x[index] for index in sorted(kept)], y[sorted(kept)].tolist())


def smoothed(series: Series) -> Series:
    """Smooth by the mean over a twentieth of the points around each, over fewer towards the ends: no lag."""
    y = np.asarray(series.y, float)
    finite = np.isfinite(y)
    sums = np.concatenate([[0.0], np.cumsum(np.where(finite, y, 0.0))])
    counts = np.concatenate([[0], np.cumsum(finite)])
    at = np.arange(len(y))
    reach = np.minimum(np.minimum(at, len(y) - 1 - at), round(SMOOTHED_SHARE * len(y) / 2))
    found = sums[at + reach + 1] - sums[at - reach]
    number = counts[at + reach + 1] - counts[at - reach]
    return Series(series.name, series.x, np.where(number > 0, found / np.maximum(number, 1), np.nan).tolist())


def _svg(chart: Chart, logarithmic: bool, number: int) -> str:
    """Draw the lines as an SVG element whose identifiers no other chart of the page has."""
    # A first start may build a cache of fonts, which nobody who trains needs to read about.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    written = io.StringIO()
    with rc_context({**SETTINGS, "svg.hashsalt": f"chart{number}"}):
        figure = Figure(figsize=SIZE, layout="constrained")
        axes = figure.subplots()
        _draw(axes, chart, logarithmic)
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        FigureCanvasSVG(figure).print_svg(written, metadata=nothing)
    drawn = written.getvalue()
    inner = drawn[drawn.index(">", drawn.index("<svg")) + 1 :]
    # What only stands for itself: names of groups, which other charts have too, and a style of the whole page.
    inner = re.sub(r' id="[a-z0-9.]+_[0-9]+"|<style.*?</style>|<metadata>.*?</metadata>', "", inner, flags=re.DOTALL)
    inner = inner.replace("xlink:href", "href")
    for colour, name in (COLOURS | INK).items():
        inner = inner.replace(colour, name)
    width, height = (round(72 * side, 1) for side in SIZE)
    return f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{text(_spoken(chart))}">{inner.strip()}'


def _draw(axes: Axes, chart: Chart, logarithmic: bool) -> None:
    from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

    axes.set_xlabel(chart.x_name)
    axes.grid(axis="y", linewidth=0.6)
    for at in chart.marks:
        axes.axvline(at, color=QUIET, linewidth=0.8, linestyle=":")
    # The first line comes last, so that the others do not cover it.
    for index, series in reversed([*enumerate(chart.series)]):
        look = {"color": _look(index)[0], "linestyle": STROKES[_look(index)[1]]}
        drawn = thinned(series)
        marker = "o" if len(drawn.x) <= FEW_POINTS and not chart.noisy else None
        strength = {"linewidth": 0.7, "alpha": 0.45} if chart.noisy else {"linewidth": 1.6}
        axes.plot(drawn.x, drawn.y, **look, **strength, marker=marker, markersize=3)  # type: ignore[arg-type]
        if chart.noisy:
            drawn = thinned(smoothed(series))
            axes.plot(drawn.x, drawn.y, **look, linewidth=1.6)  # type: ignore[arg-type]
    if logarithmic:
        axes.set_yscale("log")
        low, high = axes.get_ylim()
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0,) if high > 300 * low else (1.0, 2.0, 5.0), numticks=7))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:.4g}"))


def _look(index: int) -> tuple[str, str]:
    """Return colour and stroke of a line: its own colour, and another stroke when colours run out."""
    return [*COLOURS][index % len(COLOURS)], [*STROKES][index // len(COLOURS) % len(STROKES)]


def _legend(chart: Chart) -> str:
    shown = []
    for index, series in enumerate(chart.series):
        colour, stroke = _look(index)
        finite = [value for value in series.y if np.isfinite(value)]
        last = f"{finite[-1]:.4g}" if finite else "-"
        shown.append(f'<span><i class="s{colour[-1]}{stroke}"></i>{text(series.name)} <b>{last}</b></span>')
    return " ".join(shown)


def _spoken(chart: Chart) -> str:
    """Describe the chart in words: where each line begins and ends."""
    said = []
    for series in chart.series:
        finite = [value for value in series.y if np.isfinite(value)]
        if finite:
            said.append(f"{series.name} from {finite[0]:.4g} to {finite[-1]:.4g}")
    return f"{chart.title}: {', '.join(said)}"
