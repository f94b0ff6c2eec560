"""The page of ``degflow upscale --compare`` in headless Chromium: its divider, and that nothing is fetched."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from degflow_aug.pages.compare_page import Compared, compare_page

RED, BLUE = (np.full((60, 300, 3), colour, np.uint8) for colour in ((255, 0, 0), (0, 0, 255)))


@pytest.mark.parametrize("width", [1280, 390])
def test_the_divider_parts_two_images(chromium: Any, tmp_path: Path, width: int) -> None:
    page = tmp_path / "page.html"
    pairs = [Compared("<b>.png", (60, 300), (0, 0), RED, BLUE), Compared("wide.png", (900, 900), (7, 9), RED, BLUE)]
    page.write_text(compare_page(pairs, ("bicubic", "LIIF"), "degflow upscale"), encoding="utf-8")
    opened = chromium.new_page(viewport={"width": width, "height": 800})
    said: list[str] = []
    asked: list[str] = []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto(page.as_uri())
    opened.wait_for_selector("body[data-ready]")
    frame, handle = opened.locator(".frame").first, opened.locator(".handle").first

    def colours() -> list[str]:
        """What is seen left and right of the middle."""
        with Image.open(io.BytesIO(frame.screenshot())) as seen:
            pixels = [seen.convert("RGB").getpixel((seen.width * part // 8, 3)) for part in (2, 6)]
        return [{(255, 0, 0): "red", (0, 0, 255): "blue"}[pixel] for pixel in pixels]

    assert colours() == ["red", "blue"]
    box = frame.bounding_box()
    opened.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 5)
    assert colours() == ["red", "blue"]
    opened.mouse.down()
    opened.mouse.up()
    assert colours() == ["red", "red"]
    handle.focus()
    opened.keyboard.press("Home")
    assert colours() == ["blue", "blue"]
    opened.keyboard.press("ArrowRight")
    assert handle.get_attribute("aria-valuenow") == "2"
    assert opened.locator(".handle").nth(1).get_attribute("aria-valuenow") == "50"
    captions = opened.locator("figcaption").all_inner_texts()
    assert captions == ["<b>.png 300×60", "wide.png 900×900, 300×60 pixels at 9, 7"]  # noqa: RUF001
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == [page.as_uri()]
    opened.close()
