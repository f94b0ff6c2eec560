"""Line plots with PIL, which is there wherever the package is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from degflow_aug.files.image_file import write_image

Points = Sequence[tuple[float, float]]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
COLOURS = (
    "#1f77b4", "#d62728", "#2ca02c", "#ff7f0e", "#9467bd", "#17becf", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22",
    "#000080", "#aa0000", "#006400", "#b8860b",
)  # fmt: skip
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 1160, 560, 80, 410, 44, 56
PANEL = (560, 400)


@dataclass(frozen=True)
class Axis:
    """An axis: its title, whether it is logarithmic, and the values marked on it (none: chosen)."""

    title: str
    logarithmic: bool = False
    marks: tuple[float, ...] = ()

    def place(self, value: float, low: float, high: float) -> float:
        """Where in [0, 1] between ``low`` and ``high`` a value lies."""
        if self.logarithmic:
            value, low, high = (math.log10(each) for each in (value, low, high))
        return (value - low) / (high - low)

    def limits(self, values: Sequence[float]) -> tuple[float, float]:
        """Ends of the axis, a little beyond the values."""
        low, high = min(values), max(values)
        if self.logarithmic:
            return low / 1.2, high * 1.2
        margin = 0.05 * (high - low) or 1.0
        return low - margin, high + margin

    def bar(self, mean: float, half: float) -> tuple[float, float]:
        """Ends of a bar through ``mean``; on a logarithmic axis it goes down to a tenth of it at most."""
        return max(mean - half, mean / 10) if self.logarithmic else mean - half, mean + half

    def marked(self, low: float, high: float) -> list[float]:
        """Values to mark: the given ones, or 1, 2 and 5 times powers of ten, or about six at even distances."""
        if self.marks:
            return [mark for mark in self.marks if low <= mark <= high]
        if self.logarithmic:
            powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
            marks = [digit * 10.0**power for power in powers for digit in (1, 2, 5)]
            inside = [mark for mark in marks if low <= mark <= high]
            return inside if len(inside) <= 9 else [mark for mark in inside if f"{mark:e}".startswith("1")]
        exact = (high - low) / 6
        power = 10.0 ** math.floor(math.log10(exact))
        step = power * min((1, 2, 5, 10), key=lambda digit: abs(digit * power - exact))
        return [step * number for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


class Box(NamedTuple):
    """Where a panel's axes lie, in pixels of the sheet."""

    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True)
class Panel:
    """Lines of (x, y, half the height of the bar through the point), by name, and what is measured."""

    series: Mapping[str, Sequence[tuple[float, float, float]]]
    y: Axis


def write_plot(path: Path, title: str, series: Mapping[str, Points], x: Axis, y: Axis) -> None:
    """Write lines with their names beside them as a PNG, 1160 x 560; series without points are left out."""
    drawn = {name: [(*point, 0.0) for point in points] for name, points in series.items() if points}
    if not drawn:
        raise ValueError(f"expected points to plot in {path}, got none")
    sheet, pen, font = _sheet(WIDTH, HEIGHT)
    pen.text((LEFT, 8), title, fill="black", font=font)
    box = Box(LEFT, TOP, WIDTH - RIGHT, HEIGHT - BOTTOM)
    _draw_panel(pen, font, box, Panel(drawn, y), x, list(drawn))
    _draw_names(pen, font, (WIDTH - RIGHT + 12, TOP + 10), list(drawn))
    _write(path, sheet)


def write_panels(path: Path, title: str, panels: Sequence[Panel], x: Axis) -> None:
    """Write panels that share an x axis and the names of their lines as a PNG, three or four abreast, the names last.

    Lines without points are left out of their panel; so are panels without any.
    """
    panels = [panel for panel in panels if any(panel.series.values())]
    if not panels:
        raise ValueError(f"expected points to plot in {path}, got none")
    names = list(dict.fromkeys(name for panel in panels for name, points in panel.series.items() if points))
    width, height = PANEL
    abreast = min(4 if len(panels) > 5 else 3, len(panels) + 1)
    sheet, pen, font = _sheet(abreast * width, 28 + math.ceil((len(panels) + 1) / abreast) * height)
    pen.text((LEFT, 8), title, fill="black", font=font)
    corners = [(place % abreast * width, 28 + place // abreast * height) for place in range(len(panels) + 1)]
    for panel, (left, top) in zip(panels, corners, strict=False):
        box = Box(left + LEFT, top + TOP, left + width - 16, top + height - BOTTOM)
        _draw_panel(pen, font, box, panel, x, names)
    _draw_names(pen, font, (corners[-1][0] + LEFT, corners[-1][1] + TOP), names)
    _write(path, sheet)


def _sheet(width: int, height: int) -> tuple[Image.Image, ImageDraw.ImageDraw, Font]:
    sheet = Image.new("RGB", (width, height), "white")
    return sheet, ImageDraw.Draw(sheet), ImageFont.load_default(size=14)


def _write(path: Path, sheet: Image.Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, np.asarray(sheet))


def _draw_panel(pen: ImageDraw.ImageDraw, font: Font, box: Box, panel: Panel, x: Axis, names: Sequence[str]) -> None:
    """Axes and lines; a line has the colour of its place in ``names``."""
    drawn = {name: sorted(points) for name, points in panel.series.items() if points}
    points = [point for line in drawn.values() for point in line]
    left, right = x.limits([point[0] for point in points])
    low, high = panel.y.limits([end for point in points for end in panel.y.bar(*point[1:])])

    def pixel(across: float, up: float) -> tuple[float, float]:
        return (
            box.left + x.place(across, left, right) * (box.right - box.left),
            box.bottom - panel.y.place(up, low, high) * (box.bottom - box.top),
        )

    for mark in x.marked(left, right):
        across = pixel(mark, low)[0]
        pen.line([(across, box.top), (across, box.bottom)], fill="#dddddd")
        pen.text((across, box.bottom + 6), f"{mark:g}", fill="black", font=font, anchor="ma")
    for mark in panel.y.marked(low, high):
        down = pixel(left, mark)[1]
        pen.line([(box.left, down), (box.right, down)], fill="#dddddd")
        pen.text((box.left - 6, down), f"{mark:g}", fill="black", font=font, anchor="rm")
    pen.rectangle(box, outline="black")
    pen.text((box.left, box.top - 20), panel.y.title, fill="#555555", font=font)
    pen.text(((box.left + box.right) / 2, box.bottom + 32), x.title, fill="#555555", font=font, anchor="ma")
    for name, line in drawn.items():
        colour = _colour(names.index(name))
        if len(line) > 1:
            pen.line([pixel(*point[:2]) for point in line], fill=colour, width=2)
        for at, mean, spread in line:
            across, down = pixel(at, mean)
            pen.ellipse([across - 3, down - 3, across + 3, down + 3], fill=colour)
            if spread:
                pen.line([pixel(at, end) for end in panel.y.bar(mean, spread)], fill=colour, width=1)


def _draw_names(pen: ImageDraw.ImageDraw, font: Font, corner: tuple[int, int], names: Sequence[str]) -> None:
    left, top = corner
    for number, name in enumerate(names):
        down = top + 22 * number
        pen.line([(left, down), (left + 20, down)], fill=_colour(number), width=3)
        pen.text((left + 26, down), name, fill="black", font=font, anchor="lm")


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]
