"""What is gathered of generated and real LR, and what is measured on it."""

from __future__ import annotations

import pytest
import torch
from helpers.random_networks import random_noise
from torch import Tensor

from degflow_aug.degradations.fitted.fitted_kernel import FittedKernel
from degflow_aug.degradations.grid import to_lr_grid
from degflow_aug.evaluation.evaluation import EvaluationScene
from degflow_aug.evaluation.realism import DRAWS, SIDE, LRSample, Realism
from degflow_aug.evaluation.realism_rows import REALISM_HEAD, RealismRow, format_realism
from degflow_aug.metrics.edge_chroma import edge_chroma
from degflow_aug.metrics.noise_divergence import residual_kld
from degflow_aug.metrics.two_sample import TwoSample


def image(seed: int, height: int = 64, width: int = 72) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))


def eight_bit(values: Tensor) -> Tensor:
    return values.mul(255).round() / 255


def generator(noise: float) -> FittedKernel:
    kernels = torch.zeros(2, 3, 3, 3)
    kernels[0, :, 1, 1], kernels[1] = 1, 1 / 9
    return FittedKernel(torch.tensor([1.0, 4.0]), kernels, residual=random_noise(), noise=noise)


def test_measures_are_those_of_the_lr_that_the_generator_draws() -> None:
    scenes = [EvaluationScene(str(seed), "A", image(seed), {2.0: image(seed + 9)}) for seed in range(2)]
    made = generator(1.0)
    made.seed(7)
    gathered = Realism(made)
    for scene in scenes:
        gathered.add(scene)
    (row,) = gathered.rows()
    made.seed(7)
    real, drawn, clean = [], [], []
    for scene in scenes:
        lr = eight_bit(to_lr_grid(made.render(scene.hr, 2.0), 2.0))
        clean.append(lr)
        real.append(eight_bit(to_lr_grid(scene.views[2.0], 2.0)) - lr)
        drawn += [eight_bit(made(scene.hr, 2.0)) - lr for _ in range(DRAWS)]
    assert (row.camera, row.scale, row.scenes, row.two_sample) == ("A", 2.0, 2, {})
    assert row.reason.startswith("expected at least 6 scenes")
    assert row.noise_kld == pytest.approx(residual_kld(real, drawn), rel=1e-6)
    assert row.edge_chroma == pytest.approx(edge_chroma(drawn, [clean[n // DRAWS] for n in range(2 * DRAWS)]))
    assert row.real_edge_chroma == pytest.approx(edge_chroma(real, clean))


def test_rows_are_per_camera_and_rising_scale() -> None:
    gathered = Realism(generator(0.0))
    for camera, scale in (("B", 4.0), ("B", 2.0), ("A", 2.0)):
        gathered.add(EvaluationScene("1", camera, image(0), {scale: image(1)}))
    rows = gathered.rows()
    assert [(row.camera, row.scale) for row in rows] == [("B", 2.0), ("A", 2.0), ("B", 4.0)]
    assert all(row.edge_chroma != row.edge_chroma for row in rows), "LR without noise has none at edges"


def test_the_middle_of_large_images_counts() -> None:
    whole, other = image(0, SIDE + 41, 300), image(1, SIDE + 41, 300)
    sample, cut = LRSample(), LRSample()
    sample.add(whole, other, whole.flip(1))
    # Half of 41 is 20, from which the next place on a grid of 8 is 16.
    cut.add(*(each[..., 16 : 16 + SIDE, :] for each in (whole, other, whole.flip(1))))
    assert sample.noise_kld() == cut.noise_kld()
    assert sample.edge_chroma() == cut.edge_chroma()


def test_the_table_has_a_block_per_camera_and_a_line_per_reason() -> None:
    found = {name: TwoSample(0.612, 0.65, 0.02, 0.0312, 90) for name in ("plain", "residual")}
    text = format_realism([
        RealismRow("A", 2.0, 10, found, "", 0.01234, 0.5, 0.384),
        RealismRow("A", 4.0, 3, {}, "expected more", 8.1, float("nan"), 0.4),
        RealismRow("B", 2.0, 10, found, "", 0.02, 0.5, 0.4),
    ])  # fmt: skip
    lines = text.splitlines()
    assert lines[0].split() == ["A", *" ".join(REALISM_HEAD[1:]).split()]
    told = "61.2 ± 2.0 %, 0.650 ± 0.031"
    assert lines[1].split() == f"x2 10 {told} {told} 0.0123 0.50 (0.38)".split()
    assert len({len(line) for line in lines[:3]}) == 1
    assert lines[2].split() == ["x4", "3", "-", "-", "8.1000", "-", "(0.40)"]
    assert lines[3:5] == ["x4: expected more", ""]
    assert lines[5].split()[0] == "B"
