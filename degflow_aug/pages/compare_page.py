"""The page of ``degflow upscale --compare``: photographs enlarged in two ways, with a divider between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from degflow_aug.pages.document import asset, document, image_uri, text


class Compared(NamedTuple):
    """One photograph, or a window of it.

    Attributes:
        name: of the photograph.
        size: (height, width) of the whole result.
        place: (top, left) of what is shown of it.
        left, right: (h, w, 3), RGB in uint8, the same window enlarged in either way.
    """

    name: str
    size: tuple[int, int]
    place: tuple[int, int]
    left: np.ndarray
    right: np.ndarray


def compare_page(pairs: Sequence[Compared], names: tuple[str, str], command: str) -> str:
    """Make the page.

    Args:
        pairs: in the order in which they stand.
        names: what is left and right of the dividers.
        command: what makes this page again.
    """
    title = f"{names[0][:1].upper()}{names[0][1:]} and {names[1]}"
    body = (
        f'<header><h1>{text(title)}</h1><p class="quiet">Left of each divider {text(names[0])}, right of it '
        f"{text(names[1])}; drag it, or use the arrow keys. Every pixel is what was made.</p></header>\n"
        f'<main class="pairs">{"".join(_figure(pair, names) for pair in pairs)}</main>\n'
        f'<footer class="quiet"><p>Made by <code>{text(command)}</code></p></footer>'
    )
    return document(title, body, style=asset("preview.css") + asset("compare.css"), script=asset("compare.js"))


def _figure(pair: Compared, names: tuple[str, str]) -> str:
    height, width = pair.right.shape[:2]
    images = "".join(
        f'<img class="{side}" src="{image_uri(pixels)}" alt="{text(f"{pair.name}, {name}")}" draggable="false">'
        for side, pixels, name in zip(("back", "front"), (pair.left, pair.right), names, strict=True)
    )
    part = (
        "" if (height, width) == pair.size else f", {width}&times;{height} pixels at {pair.place[1]}, {pair.place[0]}"
    )
    return (
        f'<figure><div class="frame" style="aspect-ratio:{width}/{height};max-width:{width}px">{images}'
        '<div class="handle" role="slider" tabindex="0" aria-label="divider" aria-valuemin="0" aria-valuemax="100" '
        'aria-valuenow="50"></div></div>'
        f"<figcaption><strong>{text(pair.name)}</strong> {pair.size[1]}&times;{pair.size[0]}{part}</figcaption>"
        "</figure>"
    )
