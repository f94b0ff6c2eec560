"""The benchmark of ``degflow align``: its truth is the truth, and its counts count."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skimage import data

import benchmarks.alignment.__main__ as alignment
from benchmarks.alignment.cases import BORDER, Case, make, true_error

PLAIN = Case("coffee", 2.0, 0.0, (0.0, 0.0), 1.0, (1.0, 1.0, 1.0), 0.3, 0)


def ramp() -> np.ndarray:
    """Display values of light that rises by the column."""
    light = np.linspace(0.1, 0.8, 300)
    value = 1.055 * light ** (1 / 2.4) - 0.055
    return np.rint(np.broadcast_to(value[None, :, None], (240, 300, 3)) * 255).astype(np.uint8)


@pytest.mark.parametrize(("scale", "rotation", "shift"), [(2.0, 0.0, (0.0, 0.0)), (3.3, 1.5, (12.0, -7.0))])
def test_lr_shows_the_light_where_the_motion_says(scale: float, rotation: float, shift: tuple[float, float]) -> None:
    """On a ramp every blur leaves light as it is, so that LR's value tells where it was taken."""
    hr, lr, truth = make(Case("ramp", scale, rotation, shift, 0.9, (1, 1, 1), 0.4, 1), ramp())
    y, x = np.mgrid[5 : lr.shape[0] - 5, 5 : lr.shape[1] - 5]
    there = np.linalg.inv(truth) @ np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
    light = ((lr[5:-5, 5:-5, 1] / 255 + 0.055) / 1.055) ** 2.4 / 0.9
    column = (light.ravel() - 0.1) / 0.7 * 299 - BORDER
    error = (column - there[0]).reshape(x.shape)
    rows, columns = error.shape[0] // 2, error.shape[1] // 2
    for half in (error[:rows], error[rows:], error[:, :columns], error[:, columns:]):
        # The noise of a pixel is worth some columns, that of a half a tenth of one.
        assert half.mean() == pytest.approx(0, abs=0.5)
    assert hr.shape == (240 - 2 * BORDER, 300 - 2 * BORDER, 3)


def test_the_error_of_a_shift_is_the_shift() -> None:
    _, _, truth = make(PLAIN, ramp())
    found = truth.copy()
    found[:2, 2] += np.array([0.3, 0.4]) / 2
    assert true_error(found, truth, 0, 0, 100, 80) == pytest.approx(np.full(625, 0.5))
    turned = truth @ np.array([[math.cos(1e-3), -math.sin(1e-3), 0], [math.sin(1e-3), math.cos(1e-3), 0], [0, 0, 1]])
    assert true_error(turned, truth, 0, 0, 300, 400).max() == pytest.approx(0.5, rel=1e-3)


def test_counts_and_report() -> None:
    def row(error: float | None, reason: str = "") -> dict[str, Any]:
        return {
            "photograph": "coffee", "scale": 2.2, "seconds": 1.0, "reason": reason, "true_residual": error,
            "gain_error": 0.01, "measured": {"bound": 0.1},
        }  # fmt: skip

    rows = [row(0.1), row(0.2), row(0.5), row(None, "too little texture")]
    found = alignment.figures(rows, [{"reason": ""}, {"reason": "other"}])
    assert (found["aligned"], found["failed"], found["aligned_and_below"], found["silently_wrong"]) == (3, 1, 2, 1)
    assert (found["must_fail"], found["must_fail_called_aligned"]) == (2, 1)
    facts = {"seed": 0, "photographs": 1, "device": "a CPU", "threads": 1, "opencv": "5"}
    text = alignment.report({"facts": facts, "figures": found, "cases": rows})
    assert "2 of 4 (50.0%)" in text
    assert "| 2 to 2.5 | 4 | 1 | 0.200 |" in text
    assert "| coffee | 2.20 | too little texture |" in text


def test_whole_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alignment, "photographs", lambda city100: {"coffee": data.coffee()})
    alignment.main(["--cases", "1", "--out", str(tmp_path / "alignment")])
    content = json.loads((tmp_path / "alignment.json").read_text())
    (row,) = content["cases"]
    assert row["reason"] == ""
    assert row["true_mean"] <= row["true_residual"] < alignment.LIMIT
    assert "1 of 1 (100.0%)" in (tmp_path / "alignment.md").read_text()
