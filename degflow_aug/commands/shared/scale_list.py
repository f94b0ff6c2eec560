"""Scales as they are typed: ``2,3,4``, or ``1.1:4:0.1`` from the first to the last."""

from __future__ import annotations

import math
import re

MOST_SCALES = 1000
NUMBER = re.compile(r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")


def parse_scales(text: str) -> tuple[float, ...]:
    """Parse scales, rising, each once: ``2,3,4``, or ``1.1:4:0.1`` from the first to the last.

    Scales have six significant digits, which is what names of folders show.

    Raises:
        ValueError: not of that form, a scale below 1, a step of 0, or more than ``MOST_SCALES``.
    """
    scales: set[float] = set()
    for part in text.split(","):
        scales |= _scale_range(part, text) if ":" in part else {_scale(part, text)}
        if len(scales) > MOST_SCALES:
            raise ValueError(f"expected at most {MOST_SCALES} scales, got more in '{text}'; take a larger step")
    return tuple(sorted(scales))


def _scale_range(part: str, text: str) -> set[float]:
    """Parse ``first:last:step``, the last included where a step falls on it."""
    ends = part.split(":")
    if len(ends) != 3:
        raise ValueError(f"expected scales as first:last:step, such as 1.1:4:0.1, got '{text}'")
    first, last, step = _scale(ends[0], text), _scale(ends[1], text), _number(ends[2], text)
    if step <= 0:
        raise ValueError(f"expected a step above 0 between scales, got {ends[2].strip()} in '{text}'")
    if last < first:
        raise ValueError(f"expected scales that rise from the first to the last, got '{text}'; swap them")
    # The small term keeps rounding of 2.9 / 0.1 from dropping the last scale.
    steps = (last - first) / step + 1e-6
    if steps >= MOST_SCALES:
        raise ValueError(f"expected at most {MOST_SCALES} scales, got more in '{text}'; take a larger step")
    return {_six_digits(first + index * step) for index in range(math.floor(steps) + 1)}


def _scale(part: str, text: str) -> float:
    scale = _number(part, text)
    if scale < 1:
        raise ValueError(f"expected scales of at least 1, got {part.strip()} in '{text}'; 2 halves the image")
    return _six_digits(scale)


def _number(part: str, text: str) -> float:
    part = part.strip()
    value = float(part) if NUMBER.fullmatch(part) else math.nan
    if not math.isfinite(value):
        raise ValueError(f"expected scales such as 2,3,4 or 1.1:4:0.1, got {f'{part!r} in ' if part else ''}'{text}'")
    return value


def _six_digits(scale: float) -> float:
    return float(f"{scale:.6g}")
