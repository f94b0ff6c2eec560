"""The page of ``degflow align``: the scenes that are furthest apart, HR and the aligned LR in turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from degflow_aug.alignment.windows import measure_view
from degflow_aug.commands.preview.window import place_window
from degflow_aug.console.progress import note, track
from degflow_aug.data.tensors import to_8_bits
from degflow_aug.files.image_file import read_image
from degflow_aug.pages.blink_page import Blinked, blink_page
from degflow_aug.report.report_file import write_page

if TYPE_CHECKING:
    from degflow_aug.alignment.aligned_set import Record

MOST_SHOWN = 12
SIDE, WIDEST = 512, 640
FAINTEST = 0.6
"""Correlation of a window below which its displacement says nothing."""


def write_blink_page(page: Path, out: Path, records: Sequence[Record], table: Sequence[str], command: str) -> None:
    """Write the page of a set in ``out``.

    Args:
        page: where.
        out: the folder of the set.
        records: of its scenes; of those aligned the views with the largest residual are shown.
        table: what was printed of all.
        command: what makes the page again.

    Raises:
        ValueError, OSError: an image of the set that cannot be read, or a page that cannot be written.
    """
    views = [(record, view) for record in records if record["written"] for view in record["views"]]
    views.sort(key=lambda pair: -_worst(pair[1]))
    shown = [_blinked(out, record, view) for record, view in track(views[:MOST_SHOWN], "page", "view")]
    rest = f"The {len(shown)} of {len(views)} with the largest residual." if len(views) > len(shown) else ""
    write_page(page, blink_page(shown, f"{out.name}: degflow align", table, rest, command))
    note(f"report: {page}")


def _worst(view: Mapping[str, Any]) -> float:
    left = view["residual_hr_pixels"]
    return max(left["percentile95"] or 0.0, left["bound"] or 0.0)


def _blinked(out: Path, record: Record, view: Mapping[str, Any]) -> Blinked:
    scale, left = view["scale"], view["residual_hr_pixels"]
    files = {file.partition("/")[0]: out / file for file in record["written"]}
    hr, lr = (read_image(files[folder]) for folder in ("HR", f"LR{scale:g}"))
    windows = measure_view(hr, lr, scale)
    clear = windows.correlation > FAINTEST
    hr, lr = to_8_bits(hr), to_8_bits(lr)
    side = min(SIDE, *hr.shape[:2])
    top, first = place_window(hr, side, None)
    cut = (slice(top, top + side), slice(first, first + side))
    small = min(1.0, WIDEST / max(lr.shape[:2]))
    whole = cv2.resize(lr, None, fx=small, fy=small, interpolation=cv2.INTER_AREA)
    return Blinked(
        f"{record['name']}, x{scale:g}",
        f"{view['file']}: measured x{view['measured_scale']:.3f}, turned by {view['rotation_degrees']:.2f} degrees; "
        f"residual {left['median']:.2f} (median), {left['percentile95']:.2f} (95 % of {left['windows']} windows) and "
        f"{left['bound']:.2f} HR pixels at most. Window of {side}x{side} pixels at {first}, {top}.",
        hr[cut], lr[cut], np.asarray(whole), windows.places[clear], windows.displacements[clear],
        (lr.shape[0], lr.shape[1]),
    )  # fmt: skip
