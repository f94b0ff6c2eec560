"""The table of a generator against real views."""

from __future__ import annotations

import math

import pytest
import torch
from helpers.random_networks import random_rae, random_velocity
from torch import Tensor

from degflow_aug import compat
from degflow_aug.degradations.bicubic import Bicubic
from degflow_aug.degradations.fitted.fitted_kernel import FittedKernel
from degflow_aug.degradations.fitted.student import LRCorrection, Student
from degflow_aug.degradations.generator.degflow import DegFlow
from degflow_aug.evaluation import evaluation
from degflow_aug.evaluation.evaluation import EvaluationScene, evaluate_views, methods_for
from degflow_aug.evaluation.rows import ORACLE, Row, format_table
from degflow_aug.metrics.fidelity import psnr_y, ssim_y


def image(seed: int, count: int = 1) -> Tensor:
    """8-bit images (count, 3, 32, 40) in [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(256, (count, 3, 32, 40), generator=generator) / 255


SCENES = [
    EvaluationScene("1", "Canon", image(0), {2.0: image(1), 4.0: image(2)}),
    EvaluationScene("2", "Canon", image(3), {2.0: image(4)}),
    EvaluationScene("1", "Apple", image(5), {2.0: image(6)}),
]


def test_rows_are_means_over_scenes_in_order() -> None:
    rows = evaluate_views({"hr": lambda hr, scale, real: hr, "real": lambda hr, scale, real: real}, iter(SCENES))
    assert [(row.camera, row.scale, row.method, row.scenes) for row in rows] == [
        ("Canon", 2, "hr", 2),
        ("Canon", 2, "real", 2),
        ("Canon", 4, "hr", 1),
        ("Canon", 4, "real", 1),
        ("Apple", 2, "hr", 1),
        ("Apple", 2, "real", 1),
    ]
    pairs = [(SCENES[index].hr, SCENES[index].views[2.0]) for index in (0, 1)]
    assert rows[0].psnr_y == pytest.approx(sum(float(psnr_y(*pair)) for pair in pairs) / 2)
    assert rows[0].ssim_y == pytest.approx(sum(float(ssim_y(*pair)) for pair in pairs) / 2)
    assert math.isinf(rows[1].psnr_y)
    assert rows[1].ssim_y == pytest.approx(1)


def test_views_count_as_they_would_in_files() -> None:
    rows = evaluate_views({"nearly": lambda hr, scale, real: real + 0.4 / 255}, SCENES[:1])
    assert all(math.isinf(row.psnr_y) for row in rows)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_view_that_is_no_number_has_no_row(value: float) -> None:
    with pytest.raises(ValueError, match="view of 1 at x2 by broken, got NaN or infinity"):
        evaluate_views({"broken": lambda hr, scale, real: real.where(hr < 0.5, value)}, SCENES)


def test_draws_are_averaged_and_absent_views_left_out() -> None:
    def draws(hr: Tensor, scale: float, real: Tensor) -> Tensor | None:
        return image(9, 3) if scale == 2 else None

    rows = evaluate_views({"draws": draws}, SCENES[:1])
    assert [row.scale for row in rows] == [2]
    single = [float(psnr_y(draw[None], SCENES[0].views[2.0])) for draw in image(9, 3)]
    assert rows[0].psnr_y == pytest.approx(sum(single) / 3)


def generator(with_kernels: bool) -> DegFlow:
    """A tiny generator, with kernels that reach to scale 3."""
    made = DegFlow(random_rae(residual=True), random_velocity())
    if with_kernels:
        kernels = torch.zeros(2, 3, 5, 5)
        kernels[0, :, 2, 2] = 1
        kernels[1] = 1 / 25
        made.fitted = [{"knots": torch.tensor([1.0, 3.0]), "kernels": kernels}]
    return made


def test_methods_of_a_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compat, "has_basicsr", lambda: False)
    notes: list[str] = []
    made = generator(with_kernels=True)
    methods = methods_for(made, notes.append)
    assert list(methods) == ["HR itself", "bicubic", "fitted kernel", "DegFlow", ORACLE]
    assert notes == ["the Real-ESRGAN row is left out: BasicSR is not installed"]
    hr, real = image(0), image(1)
    kernel = FittedKernel(made.kernels["knots"], made.kernels["kernels"])
    expected = {
        "HR itself": hr,
        "bicubic": Bicubic().render(hr, 2.5),
        "fitted kernel": kernel.render(hr, 2.5),
        "DegFlow": made.render(hr, 2.5),
        ORACLE: made.reconstruct(hr, real, 2.5),
    }
    for name, view in expected.items():
        assert torch.equal(methods[name](hr, 2.5, real), view)  # type: ignore[arg-type]
    assert methods["fitted kernel"](hr, 3.5, real) is None


def test_a_student_has_a_row_below_its_generator() -> None:
    made, correction = generator(with_kernels=True), LRCorrection(4, 2)
    torch.nn.init.ones_(correction.layers[1].bias)  # type: ignore[arg-type]
    made.taught = [correction.state_dict()]
    methods = methods_for(made)
    assert list(methods)[-3:] == ["DegFlow", "student", ORACLE]
    kernel = FittedKernel(made.kernels["knots"], made.kernels["kernels"])
    expected = Student(kernel, correction).render(image(0), 2.5)
    assert torch.equal(methods["student"](image(0), 2.5, image(1)), expected)  # type: ignore[arg-type]
    assert not torch.equal(expected, kernel.render(image(0), 2.5))
    assert methods["student"](image(0), 3.5, image(1)) is None


def test_a_bundle_without_kernels_says_so() -> None:
    notes: list[str] = []
    assert "fitted kernel" not in methods_for(generator(with_kernels=False), notes.append)
    assert "the row of the fitted kernel is left out: the bundle holds none" in notes


@pytest.mark.skipif(not compat.has_basicsr(), reason="BasicSR is not installed")
def test_realesrgan_draws_anew_for_every_scene_and_alike_for_every_run() -> None:
    name = f"Real-ESRGAN (mean of {evaluation.REALESRGAN_SEEDS} seeds)"
    runs = []
    for _ in range(2):
        method = methods_for(generator(with_kernels=False))[name]
        runs.append([method(image(0), 2.0, image(1)) for _ in range(2)])
    assert torch.equal(runs[0][0], runs[1][0])
    assert torch.equal(runs[0][1], runs[1][1])
    assert not torch.equal(runs[0][0], runs[0][1])
    assert runs[0][0].shape == (evaluation.REALESRGAN_SEEDS, 3, 32, 40)
    assert len({float(view.mean()) for view in runs[0][0]}) == evaluation.REALESRGAN_SEEDS


def test_the_table_shows_the_best_but_for_the_oracle() -> None:
    rows = [
        Row("bicubic", "iPhone", 2.0, 30.0, 0.90, 3),
        Row("DegFlow", "iPhone", 2.0, 32.456, 0.89, 3),
        Row(ORACLE, "iPhone", 2.0, 40.0, 0.99, 3),
        Row("bicubic", "iPhone", 4.0, 28.0, 0.8, 2),
        Row(ORACLE, "iPhone", 4.0, 39.0, 0.9, 2),
    ]
    lines = format_table(rows).splitlines()
    assert lines[0].split() == ["iPhone", "x2", "(3", "scenes)", "x4", "(2", "scenes)"]
    assert lines[1].split() == ["bicubic", "30.00", "*0.9000", "*28.00", "*0.8000"]
    assert lines[2].split() == ["DegFlow", "*32.46", "0.8900", "-"]
    assert lines[3].split() == ["oracle", "40.00", "0.9900", "39.00", "0.9000"]
    assert len({len(line) for line in lines[:4]}) == 1
    assert "* the best but for the oracle" in lines[-1]
    without = format_table(rows, oracle=False).splitlines()
    assert without[:3] == lines[:3]
    assert not any("oracle" in line for line in without)


def test_no_rows_make_no_table_but_no_error() -> None:
    assert "Y-PSNR" in format_table([])
