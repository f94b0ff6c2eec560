"""The benchmark of recipes: variants that can be trained, stages that are shared rightly, its table, a whole run."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.photographs import photograph
from helpers.tiny_camera import write_pairs

pytest.importorskip("basicsr", reason="training needs BasicSR")
import benchmarks.recipe.__main__ as recipe
import degflow_aug
from benchmarks.recipe import unseen_scales
from benchmarks.recipe.variants import VARIANTS
from degflow_aug.evaluation.rows import Row
from degflow_aug.files.image_file import write_image
from degflow_aug.fit.presets import preset
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


def arguments(tmp_path: Path, minutes: str) -> list[str]:
    pattern = write_pairs(tmp_path / "pairs")
    return [
        "--pairs", str(tmp_path / "pairs"), "--layout", "pattern", "--pattern", str(pattern), "--knots", "1", "4",
        "--name", "tiny", "--work", str(tmp_path / "work"), "--minutes", minutes,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "shared"),
    [("spline", ["rae"]), ("refine the flow alone", ["rae", "lfm"]), ("not anchored", []), ("every scale", [])],
)
def test_stages_are_taken_where_they_are_the_same(name: str, shared: list[str], tmp_path: Path) -> None:
    args = recipe.parse(arguments(tmp_path, "0.5"))
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
def test_whole_run(tmp_path: Path) -> None:
    variants = ["--preset", "tiny", "--seeds", "0", "--variants", "ours", "no refine"]
    recipe.main([*arguments(tmp_path, "0.01"), *variants, "--out", str(tmp_path / "recipes")])
    text = (tmp_path / "recipes.md").read_text(encoding="utf-8")
    assert [line.split(" |")[0] for line in text.splitlines()[2:]] == [
        "| bicubic", "| fitted kernel", "| ours", "| no refine",
    ]  # fmt: skip


@pytest.mark.slow
def test_unseen_scales_from_photographs_to_the_table(tmp_path: Path) -> None:
    photographs = tmp_path / "City100_A"
    photographs.mkdir()
    for scene in range(1, 4):
        for kind in "HL":
            write_image(photographs / f"{scene:03}{kind}.png", photograph(scene, 128, 136))
    unseen_scales.main([
        "--photographs", str(tmp_path), "--train", "001-002", "--test", "003", "--side", "128", "--phone", "1",
        "--preset", "tiny", "--iters", "4", "--work", str(tmp_path / "work"), "--out", str(tmp_path / "unseen"),
    ])  # fmt: skip
    text = (tmp_path / "unseen.md").read_text(encoding="utf-8")
    assert [line.split(" |")[0].strip("| ") for line in text.splitlines()[2:]] == list(unseen_scales.SHOWN)
