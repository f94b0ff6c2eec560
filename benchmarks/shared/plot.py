"""Line plots as PNG files."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from degflow_aug.files.image_file import write_image

Points = Sequence[tuple[float, float]]
DPI = 100
SIZE = (11.6, 5.6)
PANEL = (5.6, 4.0)


@dataclass(frozen=True)
class Axis:
    """An axis: its title, whether it is logarithmic, and the values marked on it (none: chosen)."""

    title: str
    logarithmic: bool = False
    marks: tuple[float, ...] = ()


@dataclass(frozen=True)
class Panel:
    """Lines of (x, y, half the height of the bar through the point), by name, and what is measured."""

    series: Mapping[str, Sequence[tuple[float, float, float]]]
    y: Axis


def write_plot(path: Path, title: str, series: Mapping[str, Points], x: Axis, y: Axis) -> None:
    """Write lines with their names beside them, 1160 x 560 pixels; series without points are left out.

    Raises:
        ValueError: no series has points.
    """
    panel = Panel({name: [(*point, 0.0) for point in points] for name, points in series.items()}, y)
    names = _names(path, [panel])
    figure = Figure(SIZE, DPI, layout="constrained")
    axes = figure.add_subplot()
    _draw(axes, panel, x, names)
    figure.suptitle(title)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right upper", frameon=False)
    _write(path, figure)


def write_panels(path: Path, title: str, panels: Sequence[Panel], x: Axis) -> None:
    """Write panels that share an x axis and the names of their lines, three or four abreast, the names last.

    Lines without points are left out of their panel; so are panels without any.

    Raises:
        ValueError: no panel has points.
    """
    panels = [panel for panel in panels if any(panel.series.values())]
    names = _names(path, panels)
    columns = min(4 if len(panels) > 5 else 3, len(panels) + 1)
    rows = math.ceil((len(panels) + 1) / columns)
    figure = Figure((columns * PANEL[0], rows * PANEL[1]), DPI, layout="constrained")
    places = figure.subplots(rows, columns, squeeze=False).ravel()
    lines = {}
    for axes, panel in zip(places, panels, strict=False):
        _draw(axes, panel, x, names)
        handles, labels = axes.get_legend_handles_labels()
        lines |= dict(zip(labels, handles, strict=True))
    for axes in places[len(panels) :]:
        axes.set_axis_off()
    shown = [name for name in names if name in lines]
    places[len(panels)].legend([lines[name] for name in shown], shown, loc="upper left", frameon=False)
    figure.suptitle(title)
    _write(path, figure)


def _names(path: Path, panels: Iterable[Panel]) -> list[str]:
    names = dict.fromkeys(name for panel in panels for name, points in panel.series.items() if points)
    if not names:
        raise ValueError(f"expected points to plot in {path}, got none")
    return list(names)


def _draw(axes: Axes, panel: Panel, x: Axis, names: Sequence[str]) -> None:
    """Draw lines; each has the colour of its place in ``names``."""
    for axis, set_scale, set_label, ticks in (
        (x, axes.set_xscale, axes.set_xlabel, axes.xaxis), (panel.y, axes.set_yscale, axes.set_ylabel, axes.yaxis),
    ):  # fmt: skip
        set_scale("log" if axis.logarithmic else "linear")
        set_label(axis.title)
        if axis.marks:
            ticks.set_major_locator(FixedLocator(axis.marks))
            ticks.set_minor_locator(NullLocator())
            ticks.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    for name, points in panel.series.items():
        if points:
            across, up, half = np.array(sorted(points)).T
            # On a logarithmic axis a bar goes down to a tenth of its middle at most.
            below = np.minimum(half, 0.9 * np.abs(up)) if panel.y.logarithmic else half
            place = names.index(name)
            colour = f"C{place}" if len(names) <= 10 else colormaps["tab20"](place % 20)
            axes.errorbar(across, up, np.stack([below, half]), fmt="o-", markersize=4, label=name, color=colour)
    axes.grid(color="#dddddd")


def _write(path: Path, figure: Figure) -> None:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3]))
