"""A report in headless Chromium: no error, toggles by keyboard, values under the pointer, no sideways scroll."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from degflow_aug.pages.report_page import report_page
from tests.pages.test_report_page import example

LONG = "/".join(["a-very-long-folder-name-without-a-space"] * 6)


def opened(
    chromium: Any, folder: Path, width: int, scheme: str = "light", name: str = "total"
) -> tuple[Any, list[str]]:
    """The example's page, and whatever the browser complains about."""
    (folder / "page.html").write_text(report_page(example(name=name, title=name)), encoding="utf-8")
    page = chromium.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: complaints.append(request.url) if request.url.startswith("http") else None)
    page.goto((folder / "page.html").as_uri())
    return page, complaints


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_and_nothing_is_wrong(chromium: Any, tmp_path: Path, width: int, scheme: str) -> None:
    page, complaints = opened(chromium, tmp_path, width, scheme, name=LONG)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert complaints == []
    assert page.evaluate("document.querySelector('img').naturalWidth") == 90
    page.close()


def test_toggles_work_by_keyboard(chromium: Any, tmp_path: Path) -> None:
    page, complaints = opened(chromium, tmp_path, 1280)
    shown = "[...document.querySelectorAll('#losses .plot')].map(e => e.offsetParent !== null)"
    raw = "getComputedStyle(document.querySelector('#losses .logarithmic .raw, #losses .raw')).display"
    assert page.evaluate(shown) == [False, True]
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "logarithmic"
    page.keyboard.press("Space")
    assert page.evaluate(shown) == [True, False]
    assert page.evaluate("document.activeElement.getAttribute('aria-pressed')") == "false"
    page.keyboard.press("Enter")
    assert page.evaluate(shown) == [False, True]
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "raw"
    assert page.evaluate(raw) == "inline"
    page.keyboard.press("Space")
    assert page.evaluate(raw) == "none"
    assert complaints == []
    page.close()


def test_the_pointer_reads_values(chromium: Any, tmp_path: Path) -> None:
    page, _ = opened(chromium, tmp_path, 1280)
    box = page.locator("#losses .logarithmic svg").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 19 / 39, box["y"] + 20)
    assert page.locator("#losses .read").inner_text() == "iteration 20: total 0.05, kl 0.005"
    page.mouse.move(0, 0)
    assert page.locator("#losses .read").inner_text() == ""
    page.close()


def test_lines_lie_where_their_values_are(chromium: Any, tmp_path: Path) -> None:
    """The loss is 1 / iteration; the lowest value of the axis is the last of kl, a tenth of it."""
    page, _ = opened(chromium, tmp_path, 1280)
    first, last = page.evaluate(
        "(() => { const path = document.querySelector('#losses .linear path.raw.s1');"
        " return [path.getPointAtLength(0), path.getPointAtLength(path.getTotalLength())].map(p => [p.x, p.y]) })()"
    )
    assert first == pytest.approx([0, 0], abs=0.2)
    lowest = 0.1 / 40
    assert last == pytest.approx([1000, 1000 * (1 - (1 / 40 - lowest) / (1 - lowest))], abs=0.2)
    page.close()
