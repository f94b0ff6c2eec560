"""A report in headless Chromium: no error, no request, no sideways scroll, light and dark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from degflow_aug.pages.report_page import report_page
from tests.pages.test_report_page import example

LONG = "/".join(["a-very-long-folder-name-without-a-space"] * 6)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_and_nothing_is_wrong(chromium: Any, tmp_path: Path, width: int, scheme: str) -> None:
    (tmp_path / "page.html").write_text(report_page(example(name=LONG, title=LONG)), encoding="utf-8")
    page = chromium.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: complaints.append(request.url) if request.url.startswith("http") else None)
    page.goto((tmp_path / "page.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert complaints == []
    assert page.evaluate("document.querySelector('img').naturalWidth") == 90
    line = page.locator(".chart svg path[style*='--series-1']").first
    swatch = page.locator(".legend .s1").first
    assert line.evaluate("e => getComputedStyle(e).stroke") == swatch.evaluate("e => getComputedStyle(e).color")
    page.close()
