"""Report pages: they hold the numbers, refer to nothing outside, escape names, and stay below 5 MB."""

from __future__ import annotations

import json
import math
import re

import numpy as np
import pytest
from helpers.page_parser import Page

from degflow_aug.pages.report_content import Chart, Report, Series, Strip, Table
from degflow_aug.pages.report_page import LARGEST_PAGE, reduced, report_page

NASTY = "<b onclick=alert(1)>\"'&</script>"


def example(name: str = "total", title: str = "phone: degflow fit", strips: int = 2) -> Report:
    """A report with one of everything."""
    at = list(range(1, 41))
    losses = [Series(name, at, [1 / x for x in at]), Series("kl", at, [0.1 / x for x in at])]
    curve = Series(name, [1.5, 2, 4], [41.25, 40.5, math.nan])
    pixels = np.random.default_rng(0).integers(0, 256, (40, 90, 3), dtype=np.uint8)
    return Report(
        title=title, subtitle=f"subtitle {name}", warnings=[f"warning {name}"],
        facts={"command": f"degflow fit {name}", "device": name, "empty": ""},
        charts=[
            Chart(title, losses, marks=[20.0], noisy=True), Chart("PSNR, dB", [curve], x_name="scale"),
            Chart("nothing", [Series("gap", [1.0], [math.nan])]),
        ],
        tables=[Table(title, ["method", name], [["ours", "33.42 / 0.9547"], [name, "-"]], name, frozenset({(0, 1)}))],
        strips=[Strip(f"{title} {number}", pixels, ("HR", name, "ours")) for number in range(strips)],
        settings={"Settings": json.dumps({"name": name})},
    )  # fmt: skip


def test_the_page_holds_what_was_measured() -> None:
    page = Page(report_page(example()))
    for part in (
        "phone: degflow fit",
        "subtitle total",
        "warning total",
        "degflow fit total",
        "33.42 / 0.9547",
        "0.025",
    ):
        assert part in page.text
    assert "empty" not in page.text
    assert "nothing" not in page.text
    # The third chart has no value to draw.
    assert page.tags.count("svg") == 2
    assert page.tags.count("img") == 2


def test_it_refers_to_nothing_outside() -> None:
    page = report_page(example())
    assert page == report_page(example())
    assert not re.search(r"https?:|@import|url\((?!#)|//[a-z]", re.sub(r"base64,[^\"]+", "", page))
    addresses = [value for name, value in Page(page).attributes if name in ("src", "action", "data")]
    assert addresses
    assert all(address.startswith("data:image/") for address in addresses)
    # Charts use marks that they define themselves, each its own.
    names = [value for name, value in Page(page).attributes if name == "id"]
    assert len(names) == len(set(names))
    assert {value for name, value in Page(page).attributes if name == "href"} <= {f"#{name}" for name in names}
    assert "script" not in Page(page).tags


def test_names_stay_text() -> None:
    page = report_page(example(name=NASTY, title=NASTY))
    parsed = Page(page)
    assert not any(name.startswith("on") for name, _ in parsed.attributes)
    assert " ".join(NASTY.split()) in parsed.text


def test_many_pictures_keep_the_limit_and_are_named() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (700, 1600, 3), dtype=np.uint8)
    strips = [Strip(f"picture {number}", noise) for number in range(12)]
    page = report_page(Report("many", strips=strips))
    assert len(page.encode()) < LARGEST_PAGE
    shown = Page(page).tags.count("img")
    assert 1 <= shown < 12
    assert f"and {12 - shown - 3} more." in Page(page).text


def test_long_things_are_cut() -> None:
    at = list(range(200_000))
    chart = Chart("long", [Series("total", at, [1 + math.sin(x) for x in at])], noisy=True)
    table = Table("rows", ["a", "b"], [[str(row), "1"] for row in range(60)])
    page = report_page(Report("long", charts=[chart], tables=[table], settings={"Settings": "x" * 10**6}))
    assert len(page) < 400_000
    assert "rows (60 rows)" in Page(page).text


@pytest.mark.parametrize(
    ("shape", "expected"), [((10, 20), (10, 20)), ((100, 2560), (50, 1280)), ((9600, 40), (2400, 10))]
)
def test_pictures_are_made_as_small_as_they_need_be(shape: tuple[int, int], expected: tuple[int, int]) -> None:
    assert reduced(np.zeros((*shape, 3), np.uint8)).shape == (*expected, 3)
