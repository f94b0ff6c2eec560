"""The shell of pages: it holds what it is given, escaped, and refers to nothing outside."""

from __future__ import annotations

import base64
import json
import re

import cv2
import numpy as np
import pytest

from degflow_aug.pages.document import asset, document, image_uri, text


def pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def decode(uri: str) -> np.ndarray:
    encoded = np.frombuffer(base64.b64decode(uri.partition(",")[2]), np.uint8)
    return cv2.imdecode(encoded, cv2.IMREAD_COLOR)[..., ::-1]


@pytest.mark.parametrize("shape", [(1, 1, 3), (7, 31, 3), (64, 48, 3)])
def test_an_image_without_quality_loses_nothing(shape: tuple[int, ...]) -> None:
    image = pixels(*shape)
    uri = image_uri(image)
    assert uri.startswith("data:image/webp;base64,")
    np.testing.assert_array_equal(decode(uri), image)


@pytest.mark.parametrize("image", [pixels(4, 4), pixels(4, 4, 4), pixels(0, 4, 3), pixels(4, 4, 3).astype(float)])
def test_what_is_no_image_is_refused(image: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"expected an image \(H, W, 3\) in uint8"):
        image_uri(image)


def test_names_cannot_become_markup() -> None:
    page = document("<b>", f"<h1>{text('<script>alert(1)</script>')}</h1>", data={"name": "</script><b>"})
    assert "<title>&lt;b&gt;</title>" in page
    assert "<script>alert" not in page
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page)
    assert json.loads(data) == {"name": "</script><b>"}


def test_names_cannot_turn_the_text_beside_them() -> None:
    assert text("a\u202egnp\x1b.exe\udcff\nb") == "a\\u202egnp\\x1b.exe\\xff\nb"


def test_a_page_refers_to_nothing_outside() -> None:
    page = document("title", "", style=asset("document.css"), script="")
    assert not re.search(r"https?:|@import|url\(|src=|href=", page)
    assert "default-src 'none'" in page


def test_numbers_that_json_lacks_are_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        document("title", "", data={"psnr": float("inf")})
