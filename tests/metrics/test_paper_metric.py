"""Evaluations of InterFlow and RealArbiSR against their own code's results."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from degflow_aug import compat
from degflow_aug.metrics.paper_metric import (
    calculate_psnr_degflow,
    calculate_psnr_interflow,
    calculate_psnr_realarbisr,
    calculate_ssim_interflow,
)
from degflow_aug.models.validation.scale_table import ScaleTable


@pytest.fixture(scope="module")
def reference(official: Path) -> dict[str, Any]:
    found: dict[str, Any] = torch.load(official / "evaluation.pt", weights_only=True)
    return found


def pairs(reference: dict[str, Any]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Results and HR as (H, W, 3) BGR."""
    images = [reference[key].permute(0, 2, 3, 1).numpy()[..., ::-1] for key in ("sr", "hr")]
    return list(zip(*images, strict=True))


@pytest.mark.parametrize(("key", "multiple"), [("interflow", 4), ("interflow_arbitrary", 3)])
def test_values_of_interflow(key: str, multiple: int, reference: dict[str, Any]) -> None:
    psnr = [calculate_psnr_interflow(*pair, multiple=multiple) for pair in pairs(reference)]
    ssim = [calculate_ssim_interflow(*pair, multiple=multiple) for pair in pairs(reference)]
    np.testing.assert_allclose(psnr, reference[key]["psnr"].numpy(), rtol=0, atol=1e-4)
    np.testing.assert_allclose(ssim, reference[key]["ssim"].numpy(), rtol=0, atol=1e-5)


def test_means_of_interflow_are_those_of_the_cameras(reference: dict[str, Any]) -> None:
    table = ScaleTable(["psnr", "ssim"], ["psnr", "ssim"])
    for pair, camera in zip(pairs(reference), reference["camera"], strict=True):
        table.add(3.0, {"psnr": calculate_psnr_interflow(*pair), "ssim": calculate_ssim_interflow(*pair)}, camera)
    means = table.by_scale()[3.0]
    assert round(means["psnr"], 2) == reference["interflow"]["total_psnr"]
    assert round(means["ssim"], 4) == reference["interflow"]["total_ssim"]


@pytest.mark.parametrize("border", [2, 3, 4])
def test_values_of_realarbisr(border: int, reference: dict[str, Any]) -> None:
    psnr = [calculate_psnr_realarbisr(*pair, crop_border=border) for pair in pairs(reference)]
    row = reference["realarbisr"]["shave"].index(border)
    np.testing.assert_allclose(psnr, reference["realarbisr"]["psnr"][row].numpy(), rtol=0, atol=1e-4)


def test_a_difference_that_is_known() -> None:
    """Of gray the luma of InterFlow changes by 219 / 255 of a level, that of RealArbiSR by 219.859 / 256 of one."""
    image = np.full((32, 35, 3), 100.0, np.float32)
    assert calculate_psnr_interflow(image, image + 0.5) == pytest.approx(20 * math.log10(255 / (0.5 * 219 / 255)))
    expected = 20 * math.log10(255 / (0.5 * 219.859 / 256))
    assert calculate_psnr_realarbisr(image, image + 0.5, 3) == pytest.approx(expected)
    assert calculate_psnr_interflow(image, image) == calculate_psnr_realarbisr(image, image) == math.inf
    assert calculate_ssim_interflow(image, image) == 1


def test_the_psnr_of_degflow_s_validation_is_basicsr_s_of_tensors() -> None:
    pytest.importorskip("basicsr", reason="a second implementation is BasicSR's")
    compat.apply()
    from basicsr.metrics.psnr_ssim import calculate_psnr_pt

    rng = np.random.default_rng(0)
    image = rng.random((20, 24, 3)) * 255
    for other in (image, image + 0.3, np.clip(image + 20 * rng.standard_normal(image.shape), 0, 255)):
        pair = [torch.tensor(each[..., ::-1] / 255).permute(2, 0, 1)[None] for each in (image, other)]
        expected = calculate_psnr_pt(*pair, crop_border=0, test_y_channel=True)
        assert calculate_psnr_degflow(image, other) == pytest.approx(float(expected), abs=1e-6)


def test_what_is_left_out() -> None:
    """Of 34x35 pixels what lies beyond 32x32, and a border of four."""
    image = np.random.default_rng(0).integers(0, 256, (34, 35, 3)).astype(np.float32)
    other = image.copy()
    other[:4], other[28:], other[:, :4], other[:, 28:] = 0, 0, 0, 0
    assert calculate_psnr_interflow(image, other) == math.inf
    assert calculate_psnr_interflow(image, other, multiple=1) < math.inf
    assert calculate_psnr_interflow(image, other, crop_border=3) < math.inf
    for metric in (
        calculate_psnr_interflow, calculate_ssim_interflow, calculate_psnr_realarbisr, calculate_psnr_degflow,
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"two images of one size, got \(34, 35, 3\) and \(33, 35, 3\)"):
            metric(image, other[:-1])
