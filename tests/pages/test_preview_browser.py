"""The preview page in headless Chromium: slider, divider, difference, magnifier, keys, touch; nothing is fetched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.page_data import page_data, pixels_of

from degflow_aug.pages.preview_page import PreviewFacts, Series, preview_page

SCALES, SIDE, REAL_AT = (1.0, 1.3, 2.0, 2.9), 58, 2.9
NAMES = ("HR", "learned", "real LR", "bicubic")
# The pixels of the canvas that holds the n-th image.
PIXELS = """(element) => {
  const source = element.tagName === "CANVAS" ? element : element.querySelector("canvas");
  // A copy: what is read often would be moved out of the graphics memory.
  const canvas = new OffscreenCanvas(source.width, source.height);
  const context = canvas.getContext("2d", {willReadFrequently: true});
  context.drawImage(source, 0, 0);
  return [canvas.width, canvas.height, Array.from(context.getImageData(0, 0, canvas.width, canvas.height).data)];
}"""


@dataclass
class Opened:
    """A page in the browser, its images, and what it said and asked for."""

    page: Any
    frames: dict[str, dict[float, np.ndarray]]
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def canvas(self, selector: str) -> np.ndarray:
        width, height, data = self.page.locator(selector).evaluate(PIXELS)
        return np.array(data, np.uint8).reshape(height, width, 4)[..., :3]

    def panel(self, name: str) -> np.ndarray:
        return self.canvas(f"#grid figure:nth-child({NAMES.index(name) + 1})")

    def scale(self) -> float:
        return float(self.page.evaluate("document.body.dataset.scale"))


@pytest.fixture(scope="module")
def frames() -> dict[str, dict[float, np.ndarray]]:
    rng = np.random.default_rng(0)

    def random(scale: float) -> np.ndarray:
        side = round(SIDE / scale)
        return rng.integers(0, 256, (side, side, 3), dtype=np.uint8)

    every = {name: {scale: random(scale) for scale in SCALES} for name in NAMES}
    return {**every, "HR": {1.0: random(1.0)}, "real LR": {REAL_AT: random(REAL_AT)}}


def falling(image: np.ndarray) -> list[float]:
    """A spectrum, from low to high frequencies."""
    return list(np.linspace(40, 5, image.shape[0] // 2))


@pytest.fixture(scope="module")
def file(frames: dict[str, dict[float, np.ndarray]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    facts = PreviewFacts(
        "photo.png", (3, 5, SIDE), "lab.safetensors", "the lab's camera", (1.0, 2.0, 2.9),
        {2.9: {"learned": 33.1, "bicubic": 28.25}}, "degflow preview photo.png", {"torch": "2"},
    )  # fmt: skip
    series = [
        Series(
            name, f"note of {name}", images, {scale: falling(image) for scale, image in images.items()}, name == "HR"
        )
        for name, images in frames.items()
    ]
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(preview_page(facts, SCALES, series, ("learned", "bicubic")), encoding="utf-8")
    return path


def open_page(browser: Any, file: Path, frames: dict[str, dict[float, np.ndarray]], **context: Any) -> Iterator[Opened]:
    opened = Opened(browser.new_context(**context).new_page(), frames)
    opened.page.on("console", lambda message: opened.said.append(message.text))
    opened.page.on("pageerror", lambda error: opened.said.append(str(error)))
    opened.page.on("request", lambda request: opened.asked.append(request.url))
    opened.page.goto(file.as_uri())
    opened.page.set_default_timeout(0)
    opened.page.wait_for_selector("body[data-ready]")
    assert opened.scale() == REAL_AT
    opened.page.evaluate("moveTo(0)")
    yield opened
    assert opened.said == []
    assert [url for url in opened.asked if not url.startswith("data:")] == [file.as_uri()]
    opened.page.context.close()


@pytest.fixture
def wide(chromium: Any, file: Path, frames: dict[str, dict[float, np.ndarray]]) -> Iterator[Opened]:
    yield from open_page(chromium, file, frames, viewport={"width": 1280, "height": 900})


@pytest.fixture
def phone(chromium: Any, file: Path, frames: dict[str, dict[float, np.ndarray]]) -> Iterator[Opened]:
    yield from open_page(chromium, file, frames, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)


def test_at_every_stop_of_the_slider_the_pictures_are_those_of_the_scale(wide: Opened) -> None:
    wide.page.focus("#scale")
    for scale in SCALES:
        assert wide.scale() == scale
        assert wide.page.inner_text("#shown") == f"×{scale:g}"  # noqa: RUF001
        for name in ("learned", "bicubic"):
            np.testing.assert_array_equal(wide.panel(name), wide.frames[name][scale])
        np.testing.assert_array_equal(wide.panel("HR"), wide.frames["HR"][1.0])
        wide.page.keyboard.press("ArrowRight")
    np.testing.assert_array_equal(wide.panel("real LR"), wide.frames["real LR"][REAL_AT])


def test_where_there_is_no_real_lr_the_page_says_where_there_is(wide: Opened) -> None:
    absent = wide.page.locator("#grid figure:nth-child(3) .absent")
    assert absent.inner_text() == "No real LR at ×1; there is at ×2.9"  # noqa: RUF001
    wide.page.click(".marks button:last-child")
    assert wide.scale() == REAL_AT
    assert absent.is_hidden()


def test_keys_work_wherever_the_focus_is(wide: Opened) -> None:
    press = wide.page.keyboard.press
    press("ArrowRight")
    press("ArrowRight")
    assert wide.scale() == 2.0
    press("End")
    assert wide.scale() == 2.9
    press("Home")
    assert wide.scale() == 1.0
    press("2")
    assert wide.page.is_visible("#stage")
    assert wide.page.is_hidden("#grid")
    before = wide.page.inner_text("#stage-caption")
    press("x")
    assert (before, wide.page.inner_text("#stage-caption")) == (
        "Left learned, right bicubic.",
        "Left bicubic, right learned.",
    )
    press("1")
    assert wide.page.is_visible("#grid")
    press("s")
    assert wide.page.get_attribute("#smooth", "aria-pressed") == "true"


def test_the_divider_follows_mouse_and_keys_and_shows_both(wide: Opened) -> None:
    page = wide.page
    page.keyboard.press("End")
    page.click("[data-mode=divider]")
    np.testing.assert_array_equal(wide.canvas("#back"), wide.frames["learned"][2.9])
    np.testing.assert_array_equal(wide.canvas("#front"), wide.frames["bicubic"][2.9])
    box = page.locator("#frame").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + 60, steps=3)
    page.mouse.up()
    assert page.get_attribute("#handle", "aria-valuenow") == "25"
    page.focus("#handle")
    page.keyboard.press("ArrowRight")
    assert page.get_attribute("#handle", "aria-valuenow") == "27"
    assert wide.scale() == 2.9
    clip = page.evaluate("document.getElementById('front').style.clipPath")
    assert float(clip.split()[-1].rstrip("%)")) == pytest.approx(27, abs=0.5)


def test_the_difference_is_that_of_the_pixels(wide: Opened) -> None:
    page = wide.page
    page.keyboard.press("ArrowRight")
    page.keyboard.press("3")
    page.select_option("#gain", "2")
    a, b = (wide.frames[name][1.3].astype(int) for name in ("learned", "bicubic"))
    np.testing.assert_array_equal(wide.canvas("#back"), np.clip(128 + 2 * (a - b), 0, 255))
    assert f"Mean |A − B| is {np.abs(a - b).mean():.2f} of 255" in page.inner_text("#stage-caption")  # noqa: RUF001
    page.select_option("#a", "0")
    assert "HR has more pixels" in page.inner_text("#stage-absent")
    page.keyboard.press("Escape")
    page.click("h1")
    page.keyboard.press("Home")
    assert page.is_hidden("#stage-absent")


def test_the_magnifier_shows_the_pixels_under_the_pointer(wide: Opened) -> None:
    page = wide.page
    page.click("#magnify")
    panel = page.locator("#grid figure:nth-child(2) .frame").bounding_box()
    page.mouse.move(panel["x"] + 0.5 * panel["width"], panel["y"] + 0.25 * panel["height"])
    assert page.locator(".lens:visible").count() == 3
    lens = wide.canvas("#grid figure:nth-child(2) .lens")
    middle = lens[lens.shape[0] // 2, lens.shape[1] // 2]
    source = wide.frames["learned"][1.0]
    row, column = int(0.25 * SIDE), SIDE // 2
    near = source[row - 1 : row + 2, column - 1 : column + 2].reshape(-1, 3)
    assert (near == middle).all(1).any()
    before = page.evaluate("state.point")
    page.keyboard.press("Shift+ArrowDown")
    after = page.evaluate("state.point")
    assert after[1] == pytest.approx(before[1] + 0.02)
    page.keyboard.press("m")
    assert page.locator(".lens:visible").count() == 0


def test_spectra_end_at_the_nyquist_frequency_of_the_scale(wide: Opened) -> None:
    wide.page.keyboard.press("ArrowRight")
    wide.page.keyboard.press("ArrowRight")
    line = float(wide.page.get_attribute(".nyquist", "x1"))
    left, right = (wide.page.evaluate(f"across({frequency})") for frequency in (0, 0.5))
    assert line == pytest.approx(left + (right - left) / 2.0)
    curves = wide.page.locator(".curve")
    # HR, learned and bicubic: there is no real LR here.
    assert curves.count() == 3
    ends = [float(curves.nth(index).get_attribute("points").split()[-1].split(",")[0]) for index in range(3)]
    assert ends[0] > ends[1]
    assert max(ends[1:]) < line


def test_a_finger_moves_slider_divider_and_magnifier(phone: Opened) -> None:
    page = phone.page
    slider = page.locator("#scale").bounding_box()
    page.touchscreen.tap(slider["x"] + 0.99 * slider["width"], slider["y"] + slider["height"] / 2)
    assert phone.scale() == 2.9
    np.testing.assert_array_equal(phone.panel("learned"), phone.frames["learned"][2.9])
    page.tap("[data-mode=divider]")
    box = page.locator("#frame").bounding_box()
    page.touchscreen.tap(box["x"] + 0.7 * box["width"], box["y"] + 30)
    assert page.get_attribute("#handle", "aria-valuenow") == "70"
    page.tap("#magnify")
    page.touchscreen.tap(box["x"] + 0.3 * box["width"], box["y"] + 0.6 * box["height"])
    assert page.locator("#frame .lens").is_visible()


@pytest.mark.parametrize("mode", ["grid", "divider", "difference"])
def test_nothing_is_wider_than_a_phone(phone: Opened, mode: str) -> None:
    phone.page.evaluate(f"choose('{mode}')")
    assert phone.page.evaluate("document.documentElement.scrollWidth") <= 390
    sizes = phone.page.evaluate(
        "[...document.querySelectorAll('button, select, input')].filter(e => e.offsetParent)"
        ".map(e => [e.getBoundingClientRect().width, e.getBoundingClientRect().height])"
    )
    assert min(min(size) for size in sizes) >= 24


def test_the_file_alone_has_the_same_pictures(file: Path, frames: dict[str, dict[float, np.ndarray]]) -> None:
    data = page_data(file.read_text(encoding="utf-8"))
    for series in data["series"]:
        scales = [1.0] if series["fixed"] else SCALES
        assert {s for s, uri in zip(scales, series["frames"], strict=True) if uri} == set(frames[series["name"]])
        for scale, uri in zip(scales, series["frames"], strict=True):
            if uri:
                np.testing.assert_array_equal(pixels_of(uri), frames[series["name"]][scale])


def test_a_frame_off_the_slider_is_refused() -> None:
    facts = PreviewFacts("a", (0, 0, 8), "b", "c", (1.0, 2.0), {}, "d", {})
    frame = np.zeros((8, 8, 3), np.uint8)
    with pytest.raises(ValueError, match=r"at the scales of the slider, got \[3.0\]"):
        preview_page(facts, (1.0, 2.0), [Series("x", "", {3.0: frame})], ("x", "x"))
    with pytest.raises(ValueError, match="expected scales and series"):
        preview_page(facts, (), [], ("x", "x"))
