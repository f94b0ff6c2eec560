"""``degflow align --check``: what it advises, and that it writes nothing."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from helpers.refusals import refused
from helpers.shots import shoot
from skimage import data

from benchmarks.alignment.cases import Case, make
from degflow_aug.cli import main
from degflow_aug.commands.align import advice
from degflow_aug.files.image_file import write_image

CASE = Case("coffee", 2.0, 2.0, (6.0, -4.0), 1.9, (1.0, 0.97, 1.04), 0.4, 3)


def test_a_set_is_checked_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, case, photograph in (
        ("bright", CASE, data.coffee()),
        ("good", dataclasses.replace(CASE, rotation=0.2, exposure=1.0), data.chelsea()),
        ("other", CASE, data.chelsea()),
    ):
        hr, lr, _ = make(case, photograph)
        write_image(tmp_path / f"{name}_HR.png", data.astronaut() if name == "other" else hr)
        write_image(tmp_path / f"{name}_x2.png", lr)
    for name, source in (("HR", "HR"), ("x2", "x2"), ("X2.0", "x2")):
        shutil.copy(tmp_path / f"good_{source}.png", tmp_path / f"twice_{name}.png")
    before = sorted(tmp_path.rglob("*"))
    # Reduced by about two, as a photograph of a camera is.
    monkeypatch.setattr(advice, "PIXELS", 60_000)
    assert main(["align", str(tmp_path), "--check"]) == 1
    said = capsys.readouterr().out
    assert "bright/bright_x2.png: turned by 2.0 degrees" in said
    assert "bright/bright_x2.png: LR has 1.9 times the light of HR: lock the exposure" in said
    assert "good/" not in said
    assert "other/other_x2.png: a scene with more texture" in said
    assert "expected one photograph a scale, got twice_" in said
    assert "2 of 4 scenes look right at 0.06 megapixels" in said
    assert main(["align", str(tmp_path), "--check", "--json"]) == 1
    scenes = json.loads(capsys.readouterr().out)["scenes"]
    assert [scene["state"] for scene in scenes] == ["aligned", "aligned", "failed", "failed"]
    assert scenes[1]["views"][0]["advice"] == []
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, []),
        ({"reason": "residual 0.53 px, expected below 0.3"}, ["the tripod has moved"]),
        ({"reason": "12% of the windows show something else (movement, depth, other scene)"}, ["something has moved"]),
        ({"reason": "the texture repeats itself, so that another place fits as well"}, ["add something"]),
        ({"reason": "scale 2.300 measured, expected 2 within 5 %"}, ["name the files by the measured scale"]),
        ({"gains": [1.5, 1.0, 1.0]}, ["the colours differ"]),
        ({"gains": [0.5, 0.5, 0.52], "clipped": 0.05}, ["LR has 0.5 times the light", "5 % of it is overexposed"]),
        ({"gains": None, "rotation_degrees": None}, []),
    ],
)
def test_advice_by_what_was_measured(change: dict[str, Any], said: list[str]) -> None:
    view = {"reason": "", "rotation_degrees": 0.3, "gains": [1.0, 1.02, 1.0], "clipped": 0.0, **change}
    given = list(advice.advice_on(view))
    assert len(given) == len(said)
    assert all(each in found for each, found in zip(said, given, strict=True))


def test_exif_tells_what_was_not_kept(tmp_path: Path) -> None:
    hr = shoot(tmp_path / "hr.jpg", film=77, iso=100, aperture=2.8)
    lr = shoot(tmp_path / "lr.jpg", film=24, iso=400, aperture=2.8, zoom=2.0)
    assert list(advice.of_exif(hr, lr)) == [
        "ISO 400 beside 100 of HR: keep it",
        "lr.jpg has digital zoom (2), which invents pixels: take a lens",
    ]


@pytest.mark.parametrize(
    ("more", "got"),
    [
        ([], "none of them"),
        (["--check", "--out", "o"], "--check and --out"),
        (["--check", "--report", "r.html"], "--report"),
    ],
)
def test_check_or_out(tmp_path: Path, more: list[str], got: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert got in refused(capsys, "align", tmp_path, *more)
