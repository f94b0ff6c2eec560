"""The page of ``degflow preview``: one image at many scales, next to other degradations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from degflow_aug.console.plain_text import plain_text
from degflow_aug.pages.document import asset, document, image_uri, text


@dataclass(frozen=True)
class Series:
    """One way of making LR images: a frame and a spectrum for each scale it has.

    Attributes:
        name: what it is called, in a word or two.
        note: what it is, in a sentence.
        frames: images (h, w, 3), RGB in uint8, by scale.
        spectra: of the same scales, power in dB by ring of frequency up to the Nyquist frequency of that frame.
        fixed: of HR: its one frame, at scale 1, stands at every scale.
    """

    name: str
    note: str
    frames: Mapping[float, np.ndarray]
    spectra: Mapping[float, Sequence[float]] = field(default_factory=dict)
    fixed: bool = False

    def places(self, scales: Sequence[float]) -> Sequence[float]:
        """Return the scales of the slider that frames are put at."""
        return [1.0] if self.fixed else scales


@dataclass(frozen=True)
class PreviewFacts:
    """What the page says of itself.

    Attributes:
        image: name of the HR image.
        window: (top, left, side) in pixels of what is shown of it.
        bundle, camera: names of the generator and of what it has learned.
        knots: scales that it was trained at.
        measured: Y-PSNR in dB to the real LR, by scale and name of the series; empty without real LR.
        command: what makes this page again.
        versions: of what took part, by name.
    """

    image: str
    window: tuple[int, int, int]
    bundle: str
    camera: str
    knots: Sequence[float]
    measured: Mapping[float, Mapping[str, float]]
    command: str
    versions: Mapping[str, str]


def preview_page(facts: PreviewFacts, scales: Sequence[float], series: Sequence[Series], pair: tuple[str, str]) -> str:
    """Make the page, with the slider standing on ``scales``.

    Args:
        scales: rising; a series has a frame at each or only at some, as real LR has.
        series: in the order in which they stand; HR first.
        pair: names of the two that divider and difference begin with.

    Raises:
        ValueError: no scale or series, or a frame at a scale that is not among ``scales``.
    """
    if not scales or not series:
        raise ValueError(f"expected scales and series to show, got {len(scales)} and {len(series)}")
    for one in series:
        if strange := set(one.frames) - set(one.places(scales)):
            raise ValueError(f"expected frames of {one.name} at the scales of the slider, got {sorted(strange)}")
    known = [scale for scale in facts.measured or facts.knots if scale in scales]
    data = {
        "scales": list(scales),
        "knots": [knot for knot in facts.knots if knot in scales],
        # At scale 1 there is nothing to see yet.
        "first": list(scales).index(max(known or scales)),
        "pair": [[one.name for one in series].index(name) for name in pair],
        "series": [
            {
                "name": plain_text(one.name),
                "note": plain_text(one.note),
                "fixed": one.fixed,
                "frames": [
                    image_uri(one.frames[scale]) if scale in one.frames else None for scale in one.places(scales)
                ],
                "spectra": [
                    [round(level, 1) for level in one.spectra[scale]] if scale in one.spectra else None
                    for scale in one.places(scales)
                ],
            }
            for one in series
        ],
    }
    style, script = asset("preview.css"), asset("preview.js")
    return document(
        f"{facts.image} as seen by {facts.camera}", _body(facts, scales), style=style, script=script, data=data
    )


def _body(facts: PreviewFacts, scales: Sequence[float]) -> str:
    top, left, side = facts.window
    seen = [f"{knot:g}" for knot in facts.knots if knot != 1]
    learned = f"trained at {', '.join(seen)}; every other scale was never seen" if seen else "not trained at any scale"
    return (
        f"<header><h1>{text(facts.image)} as seen by {text(facts.camera)}</h1>"
        f'<p class="quiet">{side} &times; {side} pixels of HR at ({left}, {top}); LR at {len(scales)} scales from '
        f"{scales[0]:g} to {scales[-1]:g} by <code>{text(facts.bundle)}</code>, {text(learned)}. Every image is "
        "what was rendered, pixel for pixel.</p></header>\n"
        f"{asset('preview.html')}\n{_table(facts.measured)}\n"
        f'<footer class="quiet"><p>Made by <code>{text(facts.command)}</code><br>'
        f"{text(', '.join(f'{name} {version}' for name, version in facts.versions.items()))}</p></footer>"
    )


def _table(measured: Mapping[float, Mapping[str, float]]) -> str:
    if not measured:
        return ""
    names = list(dict.fromkeys(name for row in measured.values() for name in row))
    head = "".join(f"<th>&times;{scale:g}</th>" for scale in measured)
    rows = "".join(
        f"<tr><td>{text(name)}</td>"
        + "".join(f"<td>{row[name]:.2f}</td>" if name in row else "<td></td>" for row in measured.values())
        + "</tr>"
        for name in names
    )
    return (
        '<section><h2>How near to the real LR</h2><p class="quiet">Y-PSNR in dB of this window, on the LR grid, in 8 '
        "bits. LR with random noise cannot come as near as its mean; what it adds is likeness, not nearness.</p>"
        f'<div class="wide"><table><tr><th></th>{head}</tr>{rows}</table></div></section>'
    )
