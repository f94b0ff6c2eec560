"""What a header says of students: who holds, what is read back from a file, and what is none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from degflow_aug.bundles.bundle import load_bundle, read_spec, save_bundle
from degflow_aug.bundles.likeness import Likeness, read_likenesses, students_in_words, with_likenesses


@pytest.mark.parametrize(
    ("psnr_y", "generator_psnr_y", "holds"),
    [(34.88, 34.81, True), (30.0, 30.125, False), (29.91, 30.0, True), (float("nan"), 30.0, False)],
)
def test_it_holds_where_it_loses_at_most_a_tenth_of_a_db(psnr_y: float, generator_psnr_y: float, holds: bool) -> None:
    assert Likeness(psnr_y, generator_psnr_y, 6).holds == holds


def test_a_file_keeps_it(tmp_path: Path) -> None:
    whole, likeness = load_bundle("city100-iphone"), Likeness(34.88, 34.8125, 1)
    assert read_likenesses(whole.spec) == [None]
    assert students_in_words(whole.spec) == ""
    save_bundle(tmp_path / "b.safetensors", replace(whole, spec=with_likenesses(whole.spec, [likeness])))
    spec = read_spec(tmp_path / "b.safetensors")
    assert read_likenesses(spec) == [likeness]
    assert students_in_words(spec) == "Y-PSNR 34.88 dB, its generator 34.81, on 1 scene held out"


def test_each_of_several_cameras_has_its_own() -> None:
    several = replace(read_spec("city100"), training={})
    found = with_likenesses(several, [None, Likeness(30, 31, 2)])
    assert read_likenesses(found) == [None, Likeness(30, 31, 2)]
    first, second = several.cameras
    words = (
        f"{first}: not compared with real views / {second}: Y-PSNR 30.00 dB, its generator 31.00, on 2 scenes held out"
    )
    assert students_in_words(found) == words


@pytest.mark.parametrize(
    "values", [None, "good", [], [1], [{}], [{"psnr_y": "x", "generator_psnr_y": 1, "scenes": 1}], [None, None]]
)
def test_what_cannot_be_read_says_nothing(values: object) -> None:
    assert read_likenesses(replace(read_spec("city100-iphone"), training={"student": values})) == [None]
