"""Crops that are read beside crops that are trained on: the arithmetic, and a whole run at its smallest size."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers.photographs import write_photographs

pytest.importorskip("basicsr", reason="steps are those of its models")
from benchmarks.cost import reading


def test_ratios_are_of_crops_read_to_crops_taken() -> None:
    here = {"batch": 4, "seconds": 0.1, "operations": 0, "kernels": 0}
    there = {"batch": 16, "seconds": 0.01, "operations": 2e12, "kernels": 1000}
    text = reading.report({"crops_a_second": {"PNG": 100.0}, "steps": {"here": here, "there": there}})
    assert "here takes 40 crops a second; there takes 1600 crops a second." in text
    assert "| PNG | 100 | 2.5 | 1.0 |" in text


@pytest.mark.slow
def test_whole_run_of_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_photographs(tmp_path / "photographs", 4, height=130, width=140)
    monkeypatch.setattr(reading, "KINDS", {"whole": (0, ".png"), "parts": (130, ".bmp")})
    arguments = ["--photographs", str(tmp_path / "photographs"), "--count", "1", "--reads", "2", "--steps", "1"]
    reading.main([*arguments, "--out", str(tmp_path / "reading")])
    found = json.loads((tmp_path / "reading.json").read_text(encoding="utf-8"))
    assert list(found["crops_a_second"]) == ["whole", "parts", reading.CACHED]
    assert all(step["operations"] > 0 and step["kernels"] > 0 for step in found["steps"].values())
