"""The benchmark of recipes: variants that can be trained, stages that are shared rightly, sums that are right."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
from helpers.tiny_camera import write_pairs

pytest.importorskip("basicsr", reason="training needs BasicSR")
import degflow_aug
from benchmarks.recipe import __main__ as recipes
from benchmarks.recipe.variants import VARIANTS
from degflow_aug.evaluation.rows import Row
from degflow_aug.fit.presets import preset
from degflow_aug.fit.stage_options import FitSettings, stage_options
from degflow_aug.options.sections import read_options
from degflow_aug.options.stages import LFMOptions, RAEOptions, RefineOptions

degflow_aug.register()

OPTIONS = {"rae": RAEOptions, "lfm": LFMOptions, "refine": RefineOptions}


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("size", ["tiny", "small"])
def test_every_variant_can_be_trained(name: str, size: str, tmp_path: Path) -> None:
    chosen = VARIANTS[name].change(preset(size, "ours"))
    assert sum(stage.share for stage in chosen.stages.values()) == pytest.approx(1)
    settings = FitSettings(scenes=(), knots=(1.0, 2.0, 4.0), camera="", work=tmp_path)
    for stage in chosen.stages:
        read_options(OPTIONS[stage], stage_options(stage, chosen, settings)["degflow"], "degflow")


def arguments(tmp_path: Path) -> argparse.Namespace:
    pattern = write_pairs(tmp_path / "pairs")
    return recipes.parse([
        "--pairs", str(tmp_path / "pairs"), "--layout", "pattern", "--pattern", str(pattern), "--knots", "1", "4",
        "--name", "tiny", "--work", str(tmp_path / "work"), "--minutes", "0.5",
    ])  # fmt: skip


@pytest.mark.parametrize(
    ("name", "shared"),
    [
        ("spline", ["rae"]),
        ("no HR condition", ["rae"]),
        ("refine the flow alone", ["rae", "lfm"]),
        ("no pseudo-views in refine", ["rae", "lfm"]),
        ("not anchored", []),
        ("no KL", []),
        ("no refine", []),
        ("every scale", []),
    ],
)
def test_stages_are_taken_where_they_are_the_same(name: str, shared: list[str], tmp_path: Path) -> None:
    args = arguments(tmp_path)
    ours = recipes.camera_fit("ours", 0, args, lambda *state: None)  # type: ignore[arg-type]
    for stage in ("rae", "lfm", "refine"):
        (ours.settings.work / stage).mkdir()
        ours.plan.iterations[stage] = 7
    (ours.settings.work / "kernel.safetensors").write_bytes(b"")
    other = recipes.camera_fit(name, 0, args, lambda *state: None)  # type: ignore[arg-type]
    recipes.take_stages(other, {"ours": ours})
    assert list(other.plan.iterations) == shared
    assert {path.name for path in other.settings.work.iterdir() if path.is_dir()} == set(shared)
    assert other.plan.seconds == pytest.approx(30 * sum(other.preset.stages[stage].share for stage in shared))


def test_held_out_scales_are_those_of_the_pairs(tmp_path: Path) -> None:
    scenes, scales = recipes.held_out(arguments(tmp_path))
    assert (len(scenes), scales) == (3, [2.0, 4.0])


def test_table_marks_unseen_scales_and_the_spread_of_seeds() -> None:
    def rows(method: str, *psnr: float) -> list[Row]:
        return [Row(method, "", scale, value, 0.9, 2) for scale, value in zip((2.0, 4.0), psnr, strict=True)]

    trained = [recipes.Trained("ours", seed, rows("DegFlow", 40 + seed, 42.0), {"rae": 3, "lfm": 2}) for seed in (0, 1)]
    lines = recipes.table(trained, rows("bicubic", 30.0, 28.0), [1.0, 4.0]).splitlines()
    assert lines[0] == "| recipe | x2 (unseen) | x4 | mean | ± seeds | SSIM | iterations |"
    assert lines[2] == "| bicubic | 30.00 | 28.00 | 29.00 |  | 0.9000 |  |"
    assert lines[3] == "| ours | 40.50 | 42.00 | 41.25 | 0.25 | 0.9000 | 3+2 |"
