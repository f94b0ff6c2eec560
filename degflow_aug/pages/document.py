"""The shell of every page: one file without a reference to anything outside it."""

from __future__ import annotations

import base64
import html
import json
from importlib import resources
from typing import Any

import cv2
import numpy as np

from degflow_aug.console.plain_text import plain_text

# The browser itself refuses whatever a page would fetch.
_POLICY = "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
# OpenCV's quality above 100 is WebP without loss.
_LOSSLESS = 101


def document(title: str, body: str, *, style: str = "", script: str = "", data: Any = None) -> str:
    """Make an HTML page with the shared style.

    Args:
        title: plain text.
        body: HTML; whoever writes it escapes names with :func:`text`.
        style, script: CSS and JavaScript of this page, put in as they are.
        data: what the script reads with ``JSON.parse(document.getElementById("data").textContent)``.

    Raises:
        ValueError: data with a number that JSON does not have.
    """
    json_data = f'<script type="application/json" id="data">{_as_json(data)}</script>\n' if data is not None else ""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f"<title>{text(title)}</title>\n<style>\n{asset('document.css')}{style}</style>\n</head>\n<body>\n{body}\n"
        + json_data
        + (f"<script>\n{script}</script>\n" if script else "")
        + "</body>\n</html>\n"
    )


def text(value: object) -> str:
    """Escape ``value`` for HTML and its attributes, where marks of direction would move what stands beside them."""
    return html.escape(plain_text(value), quote=True)


def asset(name: str) -> str:
    """Read a style sheet or script of ``pages/assets``."""
    return resources.files("degflow_aug.pages").joinpath("assets").joinpath(name).read_text(encoding="utf-8")


def image_uri(pixels: np.ndarray, quality: int | None = None) -> str:
    """Encode an image (H, W, 3), RGB in uint8, as a data URI: lossless WebP, or JPEG of ``quality`` (1-100).

    Raises:
        ValueError: no such image.
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise ValueError(f"expected an image (H, W, 3) in uint8, got {pixels.dtype} {pixels.shape}")
    kind, options = (".webp", [cv2.IMWRITE_WEBP_QUALITY, _LOSSLESS])
    if quality is not None:
        kind, options = ".jpeg", [cv2.IMWRITE_JPEG_QUALITY, quality]
    done, encoded = cv2.imencode(kind, np.ascontiguousarray(pixels[..., ::-1]), options)
    if not done:
        raise ValueError(f"expected an image that can be encoded as {kind[1:]}, got {pixels.shape}")
    return f"data:image/{kind[1:]};base64,{base64.b64encode(encoded.tobytes()).decode('ascii')}"


def _as_json(data: Any) -> str:
    # A closing tag inside a string would end the element.
    dumped = json.dumps(data, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return _whole(dumped).replace("<", "\\u003c")


def _whole(value: str) -> str:
    """Put ``?`` for what UTF-8 lacks, such as a byte of a file name that is no character."""
    return value.encode("utf-8", "replace").decode("utf-8")
