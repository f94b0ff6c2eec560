"""Metrics that compare with true images are not left out without a word where there are none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("basicsr", reason="BasicSR has the metrics")

import degflow_aug
from degflow_aug.files import notice
from degflow_aug.metrics.paper_metric import calculate_psnr_interflow
from degflow_aug.models.validation.validation_metrics import check_truth, measure_all

degflow_aug.register()
PSNR, SSIM, NIQE = ({"type": f"calculate_{name}", "crop_border": 0} for name in ("psnr", "ssim", "niqe"))
LR, PAIRS = {"name": "lr", "type": "SingleImageDataset"}, {"name": "pairs", "type": "PairedImageDataset"}
ANY_PAIRS = {"name": "any", "type": "AnyScalePairDataset"}


@pytest.mark.parametrize(("metrics", "sets", "best", "skipped"), [
    ({"psnr": PSNR}, [LR], None, True),
    ({"ssim": SSIM}, [LR, {**LR, "name": "other"}], None, True),
    ({"niqe": NIQE, "psnr": PSNR}, [LR], None, True),
    ({"psnr": PSNR}, [PAIRS, LR], None, False),
    ({"psnr": PSNR}, [LR, ANY_PAIRS], {"metric": "psnr"}, True),
    ({"psnr": PSNR}, [ANY_PAIRS, LR], {"metric": "psnr", "dataset": "lr"}, True),
])  # fmt: skip
def test_metrics_without_truth_are_refused(
    metrics: dict[str, Any], sets: list[dict[str, Any]], best: dict[str, Any] | None, skipped: bool
) -> None:
    datasets = {"train": PAIRS, **{f"val_{number}": section for number, section in enumerate(sets)}}
    with pytest.raises(
        ValueError, match=r"expected true images in datasets\.val_\d for (psnr|ssim) in val\.metrics, got"
    ):
        check_truth({"metrics": metrics, "best": best}, datasets, skipped=skipped)


@pytest.mark.parametrize(("metrics", "sets", "best", "said"), [
    ({"niqe": NIQE}, [LR], {"metric": "niqe"}, None),
    ({}, [LR], None, None),
    ({"psnr": PSNR}, [PAIRS, ANY_PAIRS], None, None),
    ({"psnr": PSNR}, [], None, None),
    ({"psnr": PSNR, "niqe": NIQE}, [PAIRS, LR], {"metric": "psnr"}, "datasets.val_1 has LR alone: psnr of val.metrics"),
    ({"psnr": PSNR, "ssim": SSIM}, [LR, PAIRS], None, "datasets.val_0 has LR alone: psnr, ssim of val.metrics"),
])  # fmt: skip
def test_a_line_says_where_some_have_truth(
    metrics: dict[str, Any], sets: list[dict[str, Any]], best: dict[str, Any] | None, said: str | None,
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(notice, "_SAID", set())
    datasets = {"train": PAIRS, **{f"val_{number}": section for number, section in enumerate(sets)}}
    check_truth({"metrics": metrics, "best": best}, datasets, skipped=True)
    assert len(caplog.records) == (said is not None)
    assert (said or "") in caplog.text


def test_a_metric_has_the_image_as_it_is_or_in_8_bits() -> None:
    """A quarter of a gray level off is equal in 8 bits, and 20 log10(255 / 0.25) dB off by the luma of a gray image."""
    truth = torch.full((3, 24, 24), 100 / 255)
    exact = {"type": "calculate_psnr_interflow"}
    found = measure_all({"psnr": PSNR, "exact": exact}, truth + 0.25 / 255, truth, 2.0)
    assert found["psnr"] == float("inf")
    luma = 0.25 * (65.481 + 128.553 + 24.966) / 255
    assert found["exact"] == pytest.approx(20 * np.log10(255 / luma), abs=1e-3)
    # Channels are BGR, as BasicSR has them.
    red = torch.zeros(3, 24, 24)
    red[0] = 0.5
    values = measure_all({"exact": exact}, red, torch.zeros(3, 24, 24), 2.0)
    image = np.zeros((24, 24, 3))
    image[..., 2] = 127.5
    assert values["exact"] == pytest.approx(calculate_psnr_interflow(image, np.zeros((24, 24, 3))), abs=1e-6)
