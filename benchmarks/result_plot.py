"""Line plots with PIL, which is there wherever the package is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from degflow_aug.data.image_file import write_image

Points = Sequence[tuple[float, float]]
COLOURS = (
    "#1f77b4", "#d62728", "#2ca02c", "#ff7f0e", "#9467bd", "#17becf", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22",
    "#000080", "#aa0000", "#006400", "#b8860b",
)  # fmt: skip
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 1160, 560, 80, 410, 44, 56


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


def write_plot(path: Path, title: str, series: Mapping[str, Points], x: Axis, y: Axis) -> None:
    """Write lines with their names beside them as a PNG, 1160 x 560; series without points are left out."""
    drawn = {name: sorted(points) for name, points in series.items() if points}
    if not drawn:
        raise ValueError(f"expected points to plot in {path}, got none")
    sheet = Image.new("RGB", (WIDTH, HEIGHT), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=14)
    xs, ys = ([point[index] for points in drawn.values() for point in points] for index in (0, 1))
    (left, right), (low, high) = x.limits(xs), y.limits(ys)

    def pixel(point: tuple[float, float]) -> tuple[float, float]:
        across = LEFT + x.place(point[0], left, right) * (WIDTH - LEFT - RIGHT)
        return across, HEIGHT - BOTTOM - y.place(point[1], low, high) * (HEIGHT - TOP - BOTTOM)

    for mark in x.marked(left, right):
        across = pixel((mark, low))[0]
        pen.line([(across, TOP), (across, HEIGHT - BOTTOM)], fill="#dddddd")
        pen.text((across, HEIGHT - BOTTOM + 6), f"{mark:g}", fill="black", font=font, anchor="ma")
    for mark in y.marked(low, high):
        down = pixel((left, mark))[1]
        pen.line([(LEFT, down), (WIDTH - RIGHT, down)], fill="#dddddd")
        pen.text((LEFT - 6, down), f"{mark:g}", fill="black", font=font, anchor="rm")
    pen.rectangle([LEFT, TOP, WIDTH - RIGHT, HEIGHT - BOTTOM], outline="black")
    pen.text((LEFT, 8), title, fill="black", font=font)
    pen.text((LEFT, 24), y.title, fill="#555555", font=font)
    pen.text(((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 24), x.title, fill="#555555", font=font, anchor="ma")
    for number, (name, points) in enumerate(drawn.items()):
        _draw_series(pen, font, number, name, [pixel(point) for point in points])
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, np.asarray(sheet))


def _draw_series(
    pen: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, number: int, name: str, at: Points
) -> None:
    colour = COLOURS[number % len(COLOURS)]
    line, down = list(at), TOP + 10 + 22 * number
    if len(line) > 1:
        pen.line(line, fill=colour, width=2)
    for across, height in line:
        pen.ellipse([across - 3, height - 3, across + 3, height + 3], fill=colour)
    pen.line([(WIDTH - RIGHT + 12, down), (WIDTH - RIGHT + 32, down)], fill=colour, width=3)
    pen.text((WIDTH - RIGHT + 38, down), name, fill="black", font=font, anchor="lm")
