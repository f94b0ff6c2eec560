"""Benchmarks of recipes: variants that can be trained, stages that are shared rightly, and whole runs in small."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.tiny_camera import write_pairs

pytest.importorskip("basicsr", reason="training needs BasicSR")
import benchmarks.recipe.__main__ as recipe
import degflow_aug
from benchmarks.recipe import preset_sizes, student
from benchmarks.recipe.variants import VARIANTS
from degflow_aug.archs.generator.ncsnpp_arch import NCSNpp
from degflow_aug.archs.generator.rae_arch import ResidualAutoencoder
from degflow_aug.bundles.bundle import load_bundle
from degflow_aug.cli import main
from degflow_aug.degradations.generator.degflow import DegFlow
from degflow_aug.evaluation.rows import Row
from degflow_aug.fit.presets import Preset, preset
from degflow_aug.fit.stage_options import FitSettings, stage_options
from degflow_aug.options.sections import read_options
from degflow_aug.options.stages import LFMOptions, RAEOptions, RefineOptions

degflow_aug.register()

OPTIONS = {"rae": RAEOptions, "lfm": LFMOptions, "refine": RefineOptions}


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_can_be_trained(name: str, tmp_path: Path) -> None:
    chosen = VARIANTS[name].change(preset("small", "ours"))
    assert sum(stage.share for stage in chosen.stages.values()) == pytest.approx(1)
    settings = FitSettings(scenes=(), knots=(1.0, 2.0, 4.0), camera="", work=tmp_path)
    for stage in chosen.stages:
        read_options(OPTIONS[stage], stage_options(stage, chosen, settings)["degflow"], "degflow")


def arguments(tmp_path: Path) -> argparse.Namespace:
    pattern = write_pairs(tmp_path / "pairs")
    return recipe.parse([
        "--pairs", str(tmp_path / "pairs"), "--layout", "pattern", "--pattern", str(pattern), "--knots", "1", "4",
        "--name", "tiny", "--work", str(tmp_path / "work"), "--minutes", "0.5",
    ])  # fmt: skip


@pytest.mark.parametrize(
    ("name", "shared"),
    [("spline", ["rae"]), ("refine the flow alone", ["rae", "lfm"]), ("not anchored", []), ("every scale", [])],
)
def test_stages_are_taken_where_they_are_the_same(name: str, shared: list[str], tmp_path: Path) -> None:
    args = arguments(tmp_path)
    ours = recipe.camera_fit("ours", 0, args, lambda *state: None)  # type: ignore[arg-type]
    for stage in ("rae", "lfm", "refine"):
        (ours.settings.work / stage).mkdir()
        ours.plan.iterations[stage] = 7
    (ours.settings.work / "kernel.safetensors").write_bytes(b"")
    other = recipe.camera_fit(name, 0, args, lambda *state: None)  # type: ignore[arg-type]
    recipe.take_stages(other, {"ours": ours})
    assert list(other.plan.iterations) == shared
    assert other.plan.seconds == pytest.approx(30 * sum(other.preset.stages[stage].share for stage in shared))


def test_table_marks_unseen_scales_and_the_spread_of_seeds() -> None:
    def rows(method: str, *psnr: float) -> list[Row]:
        return [Row(method, "", scale, value, 0.9, 2) for scale, value in zip((2.0, 4.0), psnr, strict=True)]

    trained = [recipe.Trained("ours", seed, rows("DegFlow", 40 + seed, 42.0), {"rae": 3, "lfm": 2}) for seed in (0, 1)]
    lines = recipe.table(trained, rows("bicubic", 30.0, 28.0), [1.0, 4.0]).splitlines()
    assert lines[0] == "| recipe | x2 (unseen) | x4 | mean | ± seeds | SSIM | iterations |"
    assert lines[2] == "| bicubic | 30.00 | 28.00 | 29.00 |  | 0.9000 |  |"
    assert lines[3] == "| ours | 40.50 | 42.00 | 41.25 | 0.25 | 0.9000 | 3+2 |"


@pytest.mark.slow
def test_whole_run_of_students(tmp_path: Path) -> None:
    pattern = write_pairs(tmp_path / "pairs", scenes=3, size=96)
    layout = ["--layout", "pattern", "--pattern", str(pattern)]
    fit = ["--out", str(tmp_path / "camera.safetensors"), "--iters", "4", "--preset", "tiny", "--scenes", "000-001"]
    assert main(["fit", str(tmp_path / "pairs"), *layout, *fit, "--held-out", "none"]) == 0
    student.main([
        "--work", str(tmp_path / "camera.fit"), "--pairs", str(tmp_path / "pairs"), *layout, "--scenes", "002",
        "--iters", "2", "--students", str(tmp_path / "students"), "--out", str(tmp_path / "results"),
    ])  # fmt: skip
    found = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert found["iterations"] == {"average": 2, "consistency": 2}
    assert {"student (average)", "student (consistency)", "teacher (euler, 2 steps)"} <= {
        row["method"] for row in found["rows"]
    }
    for method in student.METHODS:
        spec = load_bundle(tmp_path / f"students/{method}/distill/models/generator_latest.safetensors").spec
        assert (spec.solver, spec.training["method"]) == ("jump", method)


def test_table_of_students_says_how_far_from_the_teacher() -> None:
    rows = [
        Row(method, "camera", scale, psnr, 0.9, 1)
        for method, values in (("teacher", (40.0, 42.0)), ("student", (39.75, 42.5)))
        for scale, psnr in zip((2.0, 4.0), values, strict=True)
    ]
    lines = student.table(rows).splitlines()
    assert lines[2:] == ["| teacher | 40.00 | 42.00 | +0.00 |", "| student | 39.75 | 42.50 | -0.25 |"]


def test_the_preset_is_one_of_the_candidates_and_all_have_the_same_latent_volume() -> None:
    small = preset("small", "ours")

    def sizes(each: Preset) -> tuple[dict[str, Any], Mapping[str, Any]]:
        return ResidualAutoencoder(**each.rae).spec, each.velocity

    candidates = [preset_sizes.candidate(name) for name in preset_sizes.CANDIDATES]
    assert sizes(small) in [sizes(each) for each in candidates]
    for each in candidates:
        with torch.device("meta"):
            z, _ = ResidualAutoencoder(**each.rae).encode(torch.empty(1, 3, 256, 256))
        assert z.numel() == 4 * 32 * 32
    slower = preset_sizes.candidate("base 16, full resolution", 0.5).stages["refine"]
    assert slower.lr == small.stages["refine"].lr / 2


def test_multiply_adds_are_those_of_the_convolutions() -> None:
    rae = ResidualAutoencoder(base_channels=4, unshuffle=2, multipliers=(1, 1), encoder_blocks=1, decoder_blocks=1)
    velocity = NCSNpp(base_channels=4, multipliers=(1,), blocks=1, local=True)
    generator, sizes = DegFlow(rae, velocity, solver="euler", steps=1), list[int]()
    for module in generator.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(
                lambda layer, inputs, output: sizes.append(output[0].numel() * layer.weight[0].numel())
            )
    generator.render(torch.zeros(1, 3, 256, 256), 4.0)
    macs = sum(sizes)
    # The convolution that joins both paths is split in two, and its hook is never called.
    join = 128 * 128 * 8 * 4
    dense = sum(layer.weight.numel() for layer in velocity.modules() if isinstance(layer, torch.nn.Linear))
    assert preset_sizes.gmac(generator) == pytest.approx((macs + join + dense) / 1e9, rel=1e-6)


def test_the_clock_counts_processor_time_and_is_put_back() -> None:
    clock = time.monotonic
    with preset_sizes.processor_clock():
        assert time.monotonic is time.process_time
    assert time.monotonic is clock
