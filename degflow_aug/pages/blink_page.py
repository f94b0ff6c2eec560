"""The page of ``degflow align``: HR and the aligned LR in turn at one place, and where they are still apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from degflow_aug.pages.document import asset, document, image_uri, text

PIXEL = 1 / 4
"""An arrow for one HR pixel is so much of the picture long."""
_QUALITY = 90


class Blinked(NamedTuple):
    """One aligned photograph.

    Attributes:
        title: scene and scale.
        note: what was measured, in words.
        hr, view: (h, w, 3), RGB in uint8, the same window of both.
        whole: the whole view, reduced.
        places, arrows: (N, 2) middles of the measured windows and what is left of the displacement there, (x, y) in HR
            pixels.
        size: (height, width) of HR.
    """

    title: str
    note: str
    hr: np.ndarray
    view: np.ndarray
    whole: np.ndarray
    places: np.ndarray
    arrows: np.ndarray
    size: tuple[int, int]


def blink_page(shown: Sequence[Blinked], title: str, table: Sequence[str], note: str, command: str) -> str:
    """Make the page.

    Args:
        shown: in the order in which they stand.
        title: of the page.
        table: lines that say what was measured of each photograph.
        note: what is not shown.
        command: what makes this page again.
    """
    lead = (
        "Each photograph is shown in turn with its HR: what jumps is not aligned, what blurs is LR. Arrows on the "
        f"whole picture are what is left of the displacement; one for an HR pixel would be a quarter of it long. {note}"
    )
    body = (
        f'<header><h1>{text(title)}</h1><p class="quiet">{text(lead)}</p></header>\n'
        '<div class="controls"><button type="button" data-show="blink" aria-pressed="true">Blink</button> '
        '<button type="button" data-show="hr" aria-pressed="false">HR</button> '
        '<button type="button" data-show="lr" aria-pressed="false">LR</button> '
        '<span class="quiet">keys: B, H, L</span></div>\n'
        f'<main>{"".join(map(_scene, shown))}</main>\n<section><h2>Measured</h2><div class="wide" tabindex="0" '
        f'role="region" aria-label="Measured"><pre>{text(chr(10).join(table))}</pre></div></section>\n'
        f'<footer class="quiet"><p>Made by <code>{text(command)}</code></p></footer>'
    )
    style = asset("preview.css") + asset("compare.css") + asset("blink.css")
    return document(title, body, style=style, script=asset("blink.js"))


def _scene(scene: Blinked) -> str:
    images = "".join(
        f'<img class="{side}" src="{image_uri(pixels, _QUALITY)}" alt="{text(f"{scene.title}, {name}")}">'
        for side, pixels, name in (("hr", scene.hr, "HR"), ("lr", scene.view, "LR"))
    )
    whole = f'<img src="{image_uri(scene.whole, _QUALITY)}" alt="{text(scene.title)}, whole">{_arrows(scene)}'
    frames = _frame(images, scene.view) + _frame(whole, scene.whole)
    return f'<section><h2>{text(scene.title)}</h2><p>{text(scene.note)}</p><div class="pairs">{frames}</div></section>'


def _frame(inside: str, pixels: np.ndarray) -> str:
    height, width = pixels.shape[:2]
    return f'<div class="frame" style="aspect-ratio:{width}/{height};max-width:{width}px">{inside}</div>'


def _arrows(scene: Blinked) -> str:
    """Draw the displacements over the whole picture; a dot is where the window lies."""
    longest, lines = max(scene.size), []
    radius, factor = longest / 250, longest * PIXEL
    for (x, y), (right, down) in zip(scene.places.tolist(), scene.arrows.tolist(), strict=True):
        lines.append(
            f'<path d="M{x:.0f} {y:.0f}l{factor * right:.0f} {factor * down:.0f}"/>'
            f'<circle cx="{x:.0f}" cy="{y:.0f}" r="{radius:.0f}"/>'
        )
    said = f"{len(lines)} windows"
    return f'<svg viewBox="0 0 {scene.size[1]} {scene.size[0]}" role="img" aria-label="{said}">{"".join(lines)}</svg>'
