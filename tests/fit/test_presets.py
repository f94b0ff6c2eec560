"""What presets train with: real pairs made smaller where there are two LR scales, and nothing of that where not."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.photographs import photograph

from degflow_aug.data.layouts.scene import Scene
from degflow_aug.files.image_file import write_image
from degflow_aug.fit.presets import for_knots, preset
from degflow_aug.fit.stage_options import FitSettings, stage_options


@pytest.mark.parametrize("name", ["tiny", "small", "official"])
def test_pairs_made_smaller_need_two_lr_scales(name: str) -> None:
    ours = preset(name, "ours")
    assert for_knots(ours, 2) == ours
    changed = for_knots(ours, 3)
    assert {key for key, stage in changed.stages.items() if stage != ours.stages[key]} == {"refine"}
    options = changed.stages["refine"].options
    assert options["zoom_share"] > 0
    # As many samples as before have a real view at its own scale.
    real = (1 - options["zoom_share"]) * (1 - options["pseudo_share"])
    assert real == pytest.approx(1 - ours.stages["refine"].options["pseudo_share"], abs=0.01)


def test_the_published_recipe_has_none() -> None:
    paper = preset("official", "paper")
    assert for_knots(paper, 3) == paper


def test_the_room_of_smaller_pairs_is_beside_the_crop(tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}.png" for name in ("hr", "x2", "x4")]
    for path in paths:
        write_image(path, photograph(1, 256, 256))
    scene = Scene("one", "", paths[0], {2.0: paths[1], 4.0: paths[2]})
    settings = FitSettings(scenes=[scene], knots=(1.0, 2.0, 4.0), camera="", work=tmp_path / "work")
    plain, changed = (for_knots(preset("small", "ours"), knots) for knots in (2, 3))
    sides = [stage_options("refine", each, settings)["datasets"]["train"]["gt_size"] for each in (plain, changed)]
    room = changed.stages["refine"].options["zoom_room"]
    assert sides[1] - sides[0] == room
    assert sides[0] == plain.stages["refine"].crop + 2 * plain.stages["refine"].options["crop_margin"]
