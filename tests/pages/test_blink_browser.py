"""The page of ``degflow align`` in headless Chromium: HR and LR in turn, arrows, and that nothing is fetched."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from degflow_aug.pages.blink_page import Blinked, blink_page

RED, BLUE, GRAY = (np.full((200, 200, 3), colour, np.uint8) for colour in ((255, 0, 0), (0, 0, 255), (90, 90, 90)))
SCENE = Blinked("<b>, x2", "note", RED, BLUE, GRAY, np.array([[50.0, 60]]), np.array([[0.5, -0.25]]), (400, 400))


@pytest.mark.parametrize("width", [1280, 390])
def test_hr_and_lr_are_shown_in_turn(chromium: Any, tmp_path: Path, width: int) -> None:
    page = tmp_path / "page.html"
    table = ["scene " * 60, "<i>"]
    page.write_text(blink_page([SCENE, SCENE], "<title>", table, "", "degflow align"), encoding="utf-8")
    opened = chromium.new_page(viewport={"width": width, "height": 800})
    said: list[str] = []
    asked: list[str] = []
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto(page.as_uri())
    opened.wait_for_selector("body[data-ready]")
    frame = opened.locator(".frame").first

    def colour() -> str:
        with Image.open(io.BytesIO(frame.screenshot())) as seen:
            red, _, blue = seen.convert("RGB").getpixel((seen.width // 2, seen.height // 2))
        return "HR" if red > blue else "LR"

    for what in ("lr", "hr"):
        opened.wait_for_selector(f'body[data-shown="{what}"]')
    for key, what in (("l", "LR"), ("h", "HR")):
        opened.keyboard.press(key)
        assert colour() == what
    opened.get_by_role("button", name="LR").click()
    assert colour() == "LR"
    # Half a pixel is an eighth of 400, a quarter of one up a sixteenth.
    assert opened.locator("svg path").first.get_attribute("d") == "M50 60l50 -25"
    assert opened.locator("pre").inner_text().endswith("<i>")
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == [page.as_uri()]
    opened.close()
