"""The one-step benchmark trains what ``degflow fit --one-step`` would, and compares it with its teacher."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers.tiny_camera import write_pairs

from benchmarks.recipe import student as one_step
from degflow_aug.bundles.bundle import load_bundle
from degflow_aug.cli import main
from degflow_aug.evaluation.rows import Row

pytest.importorskip("basicsr", reason="training needs BasicSR")


def test_students_are_trained_and_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pattern = write_pairs(tmp_path / "pairs", scenes=3, size=96)
    layout = ["--layout", "pattern", "--pattern", str(pattern)]
    fit = ["--out", str(tmp_path / "camera.safetensors"), "--iters", "4", "--preset", "tiny", "--scenes", "000-001"]
    assert main(["fit", str(tmp_path / "pairs"), *layout, *fit, "--held-out", "none"]) == 0
    arguments = [
        "--work", str(tmp_path / "camera.fit"), "--pairs", str(tmp_path / "pairs"), *layout, "--scenes", "002",
        "--iters", "2", "--set", "image_weight=7", "--students", str(tmp_path / "students"),
        "--out", str(tmp_path / "results"),
    ]  # fmt: skip
    one_step.main(arguments)
    found = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert found["iterations"] == {"average": 2, "consistency": 2}
    methods = [
        "teacher (euler, 2 steps)", "teacher (euler, 1 step)", "student (average)", "student (consistency)",
        "RAE ceiling",
    ]  # fmt: skip
    assert [(row["method"], row["scale"]) for row in found["rows"]] == [(m, s) for s in (2.0, 4.0) for m in methods]
    assert (tmp_path / "results.md").read_text(encoding="utf-8").strip() in capsys.readouterr().out
    for method in one_step.METHODS:
        bundle = load_bundle(tmp_path / f"students/{method}/distill/models/generator_latest.safetensors")
        assert (bundle.spec.solver, bundle.spec.training["method"]) == ("jump", method)

    args = one_step.parse(arguments)
    opt, _, settings = one_step.student_options("consistency", args)
    assert (opt["degflow"]["image_weight"], opt["degflow"]["method"]) == (7.0, "consistency")
    assert [scene.name for scene in settings.scenes] == ["000", "001"]


def test_table_says_how_far_from_the_teacher() -> None:
    rows = [
        Row(method, "camera", scale, psnr, 0.9, 1)
        for method, values in (("teacher", (40.0, 42.0)), ("student", (39.75, 42.5)))
        for scale, psnr in zip((2.0, 4.0), values, strict=True)
    ]
    lines = one_step.table(rows).splitlines()
    assert lines[0] == "| Y-PSNR, dB | 2 | 4 | worst less teacher |"
    assert lines[2:] == ["| teacher | 40.00 | 42.00 | +0.00 |", "| student | 39.75 | 42.50 | -0.25 |"]
