"""A chart as HTML: lines in an SVG that is stretched to its place, and labels beside them that are not."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from degflow_aug.pages.document import text
from degflow_aug.pages.report_content import Chart, Series

MOST_POINTS = 500
SMOOTHED_SHARE = 0.05
"""Share of the points over which a line is smoothed."""
COLOURS = 5
_STROKES = ("", " dashed", " dotted")
_SIDE = 1000.0


@dataclass(frozen=True)
class Axis:
    """The range that an axis shows, and its ticks."""

    low: float
    high: float
    ticks: tuple[float, ...]
    logarithmic: bool = False

    def place(self, value: float) -> float:
        """Where a value lies, 0 at the low end and 1 at the high one."""
        low, high, at = (math.log(each) if self.logarithmic else each for each in (self.low, self.high, value))
        return (at - low) / (high - low)


def chart_html(chart: Chart, number: int) -> str:
    """A ``<figure>``; where it is noisy with a logarithmic plot beside the linear one, of which one is shown."""
    drawn = [thinned(series) for series in chart.series]
    values = [value for series in drawn for value in series.y if math.isfinite(value)]
    if not values:
        return ""
    x = linear_axis([at for series in drawn for at in series.x], ticks=5)
    plots = [_plot(chart, drawn, x, linear_axis(values), "linear")]
    if chart.noisy and min(values) > 0:
        plots.append(_plot(chart, drawn, x, logarithmic_axis(values), "logarithmic"))
    note = f' <span class="quiet">{text(chart.note)}</span>' if chart.note else ""
    kind = " both" if len(plots) == 2 else ""
    return (
        f'<figure class="chart{kind}" data-chart="{number}"><figcaption><b>{text(chart.title)}</b>{note}</figcaption>'
        f'{"".join(plots)}<p class="legend">{_legend(chart)}</p><p class="read quiet"></p></figure>'
    )


def chart_data(chart: Chart) -> dict[str, object]:
    """What the script needs to read values off the chart; null for gaps."""
    drawn = [thinned(series) for series in chart.series]
    return {
        "x": chart.x_name,
        "series": [
            {"name": each.name, "x": list(each.x), "y": [short(y) if math.isfinite(y) else None for y in each.y]}
            for each in drawn
        ],
    }


def thinned(series: Series) -> Series:
    """The series with at most 500 points: of every group those with the lowest and highest value."""
    count = len(series.x)
    if count <= MOST_POINTS:
        return series
    size = math.ceil(2 * count / MOST_POINTS)
    kept: list[int] = []
    for start in range(0, count, size):
        group = [index for index in range(start, min(start + size, count)) if math.isfinite(series.y[index])]
        if group:
            ends = {min(group, key=lambda index: series.y[index]), max(group, key=lambda index: series.y[index])}
            kept += sorted(ends)
    if kept and kept[-1] != count - 1:
        kept.append(count - 1)
    return Series(series.name, [series.x[index] for index in kept], [series.y[index] for index in kept])


def smoothed(values: Sequence[float]) -> list[float]:
    """Mean over the twentieth of the points around each, over fewer towards the ends, so that it never lags behind."""
    half = round(SMOOTHED_SHARE * len(values) / 2)
    sums, counts = [0.0], [0]
    for value in values:
        sums.append(sums[-1] + (value if math.isfinite(value) else 0.0))
        counts.append(counts[-1] + math.isfinite(value))
    found = []
    for index in range(len(values)):
        reach = min(half, index, len(values) - 1 - index)
        low, high = index - reach, index + reach + 1
        count = counts[high] - counts[low]
        found.append((sums[high] - sums[low]) / count if count else math.nan)
    return found


def linear_axis(values: Sequence[float], ticks: int = 4) -> Axis:
    """An axis over the values with ticks at 1, 2 or 5 times a power of ten."""
    finite = [value for value in values if math.isfinite(value)]
    low, high = min(finite), max(finite)
    if low == high:
        low, high = low - (abs(low) or 1) / 2, high + (abs(high) or 1) / 2
    rough = (high - low) / ticks
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(step * power for step in (1, 2, 5, 10) if step * power >= 0.7 * rough)
    first = math.ceil(low / step - 1e-9)
    found: list[float] = []
    while (first + len(found)) * step <= high + 1e-9 * step:
        found.append((first + len(found)) * step)
    return Axis(low, high, tuple(found))


def logarithmic_axis(values: Sequence[float]) -> Axis:
    """An axis over positive values, with ticks at powers of ten and where there are few at 2 and 5 times these."""
    low, high = min(values), max(values)
    if high < 1.05 * low:
        low, high = low / 1.05, high * 1.05
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9)):
        found = tuple(step * 10.0**power for power in powers for step in steps if low <= step * 10.0**power <= high)
        if len(found) >= 3:
            break
    return Axis(low, high, found[:: math.ceil(len(found) / 6)] if found else (low, high), logarithmic=True)


def short(value: float) -> float:
    """Five digits: what is read off a chart."""
    return float(f"{value:.5g}")


def _plot(chart: Chart, drawn: Sequence[Series], x: Axis, y: Axis, kind: str) -> str:
    grid = "".join(f'<path class="grid" d="M0 {_down(y, tick)}H1000"/>' for tick in y.ticks)
    marks = "".join(f'<path class="mark" d="M{_right(x, at)} 0V1000"/>' for at in chart.marks if x.low <= at <= x.high)
    lines = []
    for index, (series, whole) in enumerate(zip(drawn, chart.series, strict=True)):
        look = _look(index)
        lines.append(_line(series.x, series.y, x, y, f"raw {look}" if chart.noisy else look))
        if chart.noisy:
            step = max(1, math.ceil(len(whole.x) / MOST_POINTS))
            lines.append(_line(whole.x[::step], smoothed(whole.y)[::step], x, y, f"smooth {look}"))
    # The first line comes last, so that the others do not cover it.
    drawing = "".join(lines[::-1])
    down = "".join(f'<span style="bottom:{100 * y.place(tick):.2f}%">{tick:.4g}</span>' for tick in y.ticks)
    along = "".join(f'<span style="left:{100 * x.place(tick):.2f}%">{tick:.6g}</span>' for tick in x.ticks)
    return (
        f'<div class="plot {kind}"><div class="y" aria-hidden="true">{down}</div><svg viewBox="0 0 1000 1000" '
        f'preserveAspectRatio="none" role="img" aria-label="{text(_spoken(chart))}">{grid}{marks}{drawing}</svg>'
        f'<i class="cursor"></i><div class="x" aria-hidden="true">{along}<b>{text(chart.x_name)}</b></div></div>'
    )


def _line(xs: Sequence[float], ys: Sequence[float], x: Axis, y: Axis, kind: str) -> str:
    parts, drawing = [], False
    for at, value in zip(xs, ys, strict=True):
        if not math.isfinite(value):
            drawing = False
            continue
        parts.append(f"{'L' if drawing else 'M'}{_right(x, at)} {_down(y, value)}")
        drawing = True
    # A line of one point has no length, and would not be seen.
    return f'<path class="{kind}" d="{"".join(parts)}{"h3" if len(parts) == 1 else ""}"/>'


def _coordinate(place: Callable[[float], float], value: float) -> float:
    return round(_SIDE * place(value), 1)


def _right(axis: Axis, value: float) -> str:
    return f"{_coordinate(axis.place, value):g}"


def _down(axis: Axis, value: float) -> str:
    return f"{round(_SIDE - _coordinate(axis.place, value), 1):g}"


def _look(index: int) -> str:
    """Classes of a line: a colour of its own, and another stroke when the colours have run out."""
    return f"s{index % COLOURS + 1}{_STROKES[index // COLOURS % len(_STROKES)]}"


def _legend(chart: Chart) -> str:
    return " ".join(
        f'<span><i class="{_look(index)}"></i>{text(series.name)} <b>{_last(series)}</b></span>'
        for index, series in enumerate(chart.series)
    )


def _last(series: Series) -> str:
    finite = [value for value in series.y if math.isfinite(value)]
    return f"{finite[-1]:.4g}" if finite else "-"


def _spoken(chart: Chart) -> str:
    """The chart in words: where each line begins and ends."""
    said = []
    for series in chart.series:
        finite = [value for value in series.y if math.isfinite(value)]
        if finite:
            said.append(f"{series.name} from {finite[0]:.4g} to {finite[-1]:.4g}")
    return f"{chart.title}: {', '.join(said)}"
