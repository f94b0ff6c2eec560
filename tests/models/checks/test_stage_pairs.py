"""A stage is refused before its run where ``degflow`` speaks of other pairs than its data set has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers.tiny_camera import stage_options, write_pairs
from helpers.two_cameras import CAMERAS, camera_options, write_two_cameras

import degflow_aug

pytest.importorskip("basicsr", reason="training needs BasicSR")
degflow_aug.register()

STAGES = {
    "RAEModel": {},
    "LFMModel": {"rae": "rae"},
    "RefineModel": {"generator": "simulator"},
    "LFMDistillModel": {"teacher": "simulator"},
}


def check(opt: dict[str, Any], model: str = "RAEModel", **degflow: Any) -> None:
    """What ``degflow train`` checks, of a stage that has no network of its own here."""
    from degflow_aug.models.checks.training_options import check_training_options

    opt["model_type"], opt["degflow"] = model, {**opt["degflow"], **STAGES[model], **degflow}
    for key in ("rank", "world_size", "is_train", "dist"):
        opt.pop(key, None)
    opt["path"] = {"pretrain_network_g": None}
    if model != "RAEModel":
        opt["train"].pop("pixel_opt")
    for section in opt["datasets"].values():
        section.pop("phase", None)
    check_training_options(opt, "run.yml")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    write_pairs(folder)
    return folder


@pytest.mark.parametrize("model", STAGES)
@pytest.mark.parametrize(("of_data", "of_stage"), [
    ([1, 2], [1, 3]), (None, [1, 4]), (None, [1, 2]), ([1, 2], [1, 2, 4]), ([1, 2, 4], [1, 2, 4.01]),
])  # fmt: skip
def test_other_knots_than_the_data_has(
    model: str, of_data: list[float] | None, of_stage: list[float], pairs: Path, tmp_path: Path
) -> None:
    opt = stage_options("rae", pairs, tmp_path)
    opt["datasets"]["train"]["knots"] = of_data
    with pytest.raises(ValueError, match=r"the knots of datasets.train in degflow.knots, \[1, 2.*\], got \[1, "):
        check(opt, model, knots=of_stage)


@pytest.mark.parametrize("model", STAGES)
@pytest.mark.parametrize(("of_data", "of_stage"), [(None, [1, 2, 4]), ([1, 4], [1.0, 4.00001])])
def test_the_same_knots(
    model: str, of_data: list[float] | None, of_stage: list[float], pairs: Path, tmp_path: Path
) -> None:
    opt = stage_options("rae", pairs, tmp_path)
    opt["datasets"]["train"]["knots"] = of_data
    check(opt, model, knots=of_stage)


def test_a_knot_without_any_pair(pairs: Path, tmp_path: Path) -> None:
    opt = stage_options("rae", pairs, tmp_path)
    opt["datasets"]["train"] |= {"knots": [1, 2, 3, 4], "incomplete": "keep"}
    with pytest.raises(ValueError, match=r"got none at x3 in datasets\.train"):
        check(opt, knots=[1, 2, 3, 4])


@pytest.mark.parametrize(("cameras", "sentence"), [
    ([*CAMERAS, "Lab_Third"], "got none of Lab_Third in datasets.train, whose cameras are Lab_Sharp, Lab_Soft"),
    (["Lab_Sharp", "Lab_Third"], "expected pairs of the cameras Lab_Sharp, Lab_Third, .* got those of 'Lab_Soft'"),
    (["Sharp", "lab soft"], None),
])  # fmt: skip
def test_cameras_and_pairs(cameras: list[str], sentence: str | None, tmp_path: Path) -> None:
    write_two_cameras(tmp_path, scenes=1)
    opt = camera_options("rae", tmp_path, tmp_path)
    if sentence is None:
        check(opt, cameras=cameras)
        return
    with pytest.raises(ValueError, match=sentence):
        check(opt, cameras=cameras)
