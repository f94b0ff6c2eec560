"""Charts: lines lie where their values are, are thinned and smoothed without bias, and nothing is said meanwhile."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.page_parser import Page
from hypothesis import given, settings
from hypothesis import strategies as st

from degflow_aug.pages.chart import MOST_POINTS, chart_html, smoothed, thinned
from degflow_aug.pages.report_content import Chart, Series


def drawn(page: str, colour: int) -> np.ndarray:
    """The points (N, 2) of the last line of a colour, from the left and the top."""
    (*_, line) = re.findall(rf'<path d="([^"]*)"[^>]*style="fill: none; stroke: var\(--series-{colour}\)', page)
    return np.array([[float(x), float(y)] for x, y in re.findall(r"[ML] (\S+) (\S+)", line)])


@pytest.mark.parametrize(("noisy", "axis"), [(False, np.asarray), (True, np.log)])
def test_lines_lie_where_their_values_are(noisy: bool, axis: object) -> None:
    at = [1.0, 2.0, 4.0, 8.0, 16.0]
    lines = {1: [1 / x for x in at], 2: [0.3 + 0.01 * x for x in at]}
    page = chart_html(Chart("losses", [Series(f"s{n}", at, y) for n, y in lines.items()], noisy=noisy), 0)
    Page(page)
    points = np.concatenate([drawn(page, number) for number in lines])
    values = np.concatenate([np.column_stack([at, axis(y)]) for y in lines.values()])  # type: ignore[operator]
    for column, sign in ((0, 1), (1, -1)):
        (slope, _), residual, *_ = np.polyfit(values[:, column], points[:, column], 1, full=True)
        assert sign * slope > 0
        np.testing.assert_allclose(residual, 0, atol=1e-3)
    assert "s1 <b>0.0625</b>" in page
    assert 'aria-label="losses: s1 from 1 to 0.0625, s2 from 0.31 to 0.46"' in page


@pytest.mark.parametrize(
    "y",
    [[math.nan] * 3, [], [1.0], [2.0, 2.0, 2.0], [1e-40, 1.0, 1e38], [math.nan, 1.0, math.nan], [0.0, -1e300, 1e-9]],
)
@pytest.mark.parametrize("noisy", [False, True])
def test_odd_lines_have_a_chart_or_none(y: list[float], noisy: bool) -> None:
    series = Series("odd", list(range(len(y))), y)
    page = chart_html(Chart("odd", [series], marks=[1.0, 1e300], noisy=noisy), 0)
    assert bool(page) == any(map(math.isfinite, series.y))
    Page(page)


@settings(max_examples=50)
@given(st.integers(1, 5000), st.integers(0, 1000))
def test_thinning_keeps_the_extremes_and_the_ends(count: int, seed: int) -> None:
    y = np.random.default_rng(seed).standard_normal(count).tolist()
    found = thinned(Series("total", list(range(count)), y))
    assert len(found.x) <= MOST_POINTS + 1
    assert (min(found.y), max(found.y), found.y[-1]) == (min(y), max(y), y[-1])
    assert list(found.x) == sorted(set(found.x))
    assert all(y[int(x)] == value for x, value in zip(found.x, found.y, strict=True))


def test_smoothing_has_no_bias_and_passes_gaps() -> None:
    def smooth(y: list[float]) -> list[float]:
        return list(smoothed(Series("y", list(range(len(y))), y)).y)

    assert smooth([2.0] * 50) == pytest.approx([2.0] * 50)
    noisy = np.random.default_rng(0).standard_normal(1000) + 5
    found = smooth(noisy.tolist())
    np.testing.assert_allclose(found[25:-25], np.convolve(noisy, np.full(51, 1 / 51), "valid"))
    assert (found[0], found[-1]) == (pytest.approx(noisy[0]), pytest.approx(noisy[-1]))
    # A straight line stays one: nothing lags behind.
    np.testing.assert_allclose(smooth([float(x) for x in range(200)]), range(200), atol=1e-9)
    gap = smooth([1.0] * 50 + [math.nan] + [3.0] * 50)
    assert gap[50] == pytest.approx(2.0)
    assert math.isnan(smooth([math.nan])[0])


def test_matplotlib_is_asked_late_and_says_nothing(tmp_path: Path) -> None:
    """Without a display, a cache of fonts and a place for one: what Docker and clusters have."""
    (tmp_path / "file").touch()
    code = (
        "import sys; from degflow_aug.pages.report_page import report_page\n"
        "from degflow_aug.pages.report_content import Chart, Report, Series\n"
        "report_page(Report('none')); assert 'matplotlib' not in sys.modules\n"
        "report_page(Report('one', charts=[Chart('one', [Series('a', [1, 2], [3, 4])])]))\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    environment = {key: value for key, value in os.environ.items() if key != "DISPLAY"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**environment, "MPLCONFIGDIR": str(tmp_path / "file")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
