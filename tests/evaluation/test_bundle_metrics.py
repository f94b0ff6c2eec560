"""What a header says was measured: the scores of the views, back as they were, and told apart from other ones."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
import torch
from helpers.random_networks import random_rae, random_velocity

from degflow_aug.bundles.bundle import GeneratorSpec
from degflow_aug.degradations.bicubic import Bicubic
from degflow_aug.degradations.fitted.fitted_pipeline import FittedPipeline
from degflow_aug.degradations.generator.degflow import DegFlow
from degflow_aug.evaluation.bundle_metrics import (
    METHODS,
    Measurement,
    Score,
    largest_difference,
    measure,
    read_measurements,
)
from degflow_aug.evaluation.evaluation import EvaluationScene, methods_for
from degflow_aug.metrics.fidelity import psnr_y, ssim_y

SCALES = (2.0, 4.0)


@pytest.fixture(scope="module")
def generator() -> DegFlow:
    """A random generator with a box as its kernel, and a pipeline that blurs light with it."""
    found = DegFlow(random_rae(residual=True), random_velocity())
    kernels = torch.zeros(3, 3, 5, 5)
    kernels[0, :, 2, 2] = 1
    kernels[1:, :, 1:4, 1:4] = 1 / 9
    taps = torch.zeros(3, 3, 7, 7)
    taps[..., 3, 3] = 1
    numbers = (torch.tensor(2.0), taps, torch.tensor(0.5))
    found.fitted = [FittedPipeline(torch.tensor([1.0, 2.0, 4.0]), kernels, kernels, *numbers).state_dict()]
    return found


@pytest.fixture(scope="module")
def scenes() -> list[EvaluationScene]:
    stream = torch.Generator().manual_seed(0)
    hr = [torch.rand(1, 3, 32, 40, generator=stream) for _ in range(3)]
    return [
        EvaluationScene(str(number), "A", image, {scale: Bicubic().render(image, scale) for scale in SCALES})
        for number, image in enumerate(hr)
    ]


def spec_with(*measurements: Measurement) -> GeneratorSpec:
    plain = json.loads(json.dumps([measurement.plain() for measurement in measurements]))
    return GeneratorSpec(rae={}, velocity={}, knots=(1.0, 2.0), s_max=2.0, metrics=plain)


def test_scores_are_those_of_the_views(generator: DegFlow, scenes: list[EvaluationScene]) -> None:
    scenes = [scene._replace(views={scale: 0.9 * view for scale, view in scene.views.items()}) for scene in scenes]
    found = measure(generator, scenes, "data", "command")
    assert found.scenes == ["0", "1", "2"]
    assert len(found.scores) == len(METHODS) * len(SCALES) * len(scenes)
    for score in found.scores:
        scene = scenes[int(score.scene)]
        if score.method == "DegFlow":
            pair = generator.render(scene.hr, score.scale), scene.views[score.scale]
            assert score.psnr_y == pytest.approx(float(psnr_y(*pair, eight_bit=True)))
            assert score.ssim_y == pytest.approx(float(ssim_y(*pair, eight_bit=True)))


def test_methods_are_those_of_the_tables(generator: DegFlow) -> None:
    assert set(METHODS) <= set(methods_for(generator))


def test_measurements_come_back_from_a_header() -> None:
    scores = tuple(Score("DegFlow", 2.9, f"{n:03}", 31.23456 + n, 0.912346) for n in range(3))
    before = Measurement("data é", "degflow evaluate x", scores)
    (found,) = read_measurements(spec_with(before))
    assert (found.data, found.rerun, found.scenes) == ("data é", "degflow evaluate x", ["000", "001", "002"])
    assert [score.psnr_y for score in found.scores] == [31.2346, 32.2346, 33.2346]
    assert found.scores[0].ssim_y == 0.91235
    assert largest_difference(before, found) < 1e-4
    assert read_measurements(replace(spec_with(before), metrics=[])) == []


def test_rows_are_means_over_the_scenes_asked_for() -> None:
    scores = [Score(method, scale, str(n), 30.0 + n, 0.5) for n in range(4) for scale in (4.0, 2.0) for method in "ab"]
    measurement = Measurement("data", "", tuple(scores))
    rows = measurement.rows(["1", "3"])
    assert [(row.scale, row.method) for row in rows] == [(2.0, "a"), (2.0, "b"), (4.0, "a"), (4.0, "b")]
    assert {(row.psnr_y, row.ssim_y, row.scenes, row.camera) for row in rows} == {(32.0, 0.5, 2, "data")}
    assert {row.psnr_y for row in measurement.rows()} == {31.5}


def test_a_difference_is_found() -> None:
    before = Measurement("data", "", (Score("a", 2.0, "0", 30.0, 0.5), Score("a", 4.0, "0", 20.0, 0.5)))
    now = replace(before, scores=(before.scores[0], before.scores[1]._replace(psnr_y=20.25)))
    assert largest_difference(before, before) == 0
    assert largest_difference(before, now) == 0.25
    assert largest_difference(before, replace(now, scores=now.scores[:1])) == math.inf
    assert largest_difference(before, now, ["another"]) == math.inf
    perfect = Measurement("data", "", (Score("a", 2.0, "0", math.inf, 1.0),))
    assert largest_difference(perfect, perfect) == 0
    assert largest_difference(before, perfect) == largest_difference(perfect, before) == math.inf


def scored(*values: object) -> list[dict[str, object]]:
    """Metrics of one score."""
    return [{"data": "a", "rerun": "b", "scores": [list(values)]}]


@pytest.mark.parametrize(
    "metrics",
    [[3], [{}], scored(1, 2), 3, scored("a", 2, "0", math.nan, 1), scored("a", 2, "0", 30, math.nan),
     scored("a", math.inf, "0", 30, 1)],
)  # fmt: skip
def test_other_content_is_refused(metrics: object) -> None:
    with pytest.raises(ValueError, match=r"expected metrics as Measurement\.plain makes them"):
        read_measurements(GeneratorSpec(rae={}, velocity={}, knots=(1.0, 2.0), s_max=2.0, metrics=metrics))  # type: ignore[arg-type]
