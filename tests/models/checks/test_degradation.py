"""What a degradation can do against what a model will ask of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers.tiny_sr import write_random_bundle

pytest.importorskip("basicsr", reason="Real-ESRGAN's degradation needs BasicSR")

from degflow_aug.models.checks.degradation import check_covers, check_has_lr


def test_ranges_that_cover_pass(tmp_path: Path) -> None:
    bundle = str(write_random_bundle(tmp_path / "camera.safetensors"))
    check_covers(None, 1, 100)
    check_covers({"type": "Bicubic"}, 1, 30)
    check_covers({"type": "DegFlow", "bundle": bundle}, 1, 4)
    check_covers({"type": "DegFlow", "bundle": bundle, "scale_range": [2, 3]}, 2, 3)


@pytest.mark.parametrize(
    ("section", "scales", "sentence"),
    [
        ({}, (1.0, 4.5), "covers scale 1 to 4.5, got DegFlow for 1 to 4"),
        ({}, (8.0, 8.0), "covers scale 8, got DegFlow"),
        ({"scale_range": [2, 4]}, (1.5, 3.0), "covers scale 1.5 to 3, got DegFlow for 2 to 4"),
        ({"bundle": "nowhere.safetensors"}, (1.0, 2.0), "nowhere.safetensors: nothing there"),
        ({"type": "DegFlo"}, (1.0, 2.0), "did you mean 'DegFlow'"),
        ({"stepz": 2}, (1.0, 2.0), "did you mean 'steps'"),
    ],
)
def test_what_does_not_fit_is_one_sentence(
    section: dict[str, Any], scales: tuple[float, float], sentence: str, tmp_path: Path
) -> None:
    bundle = str(write_random_bundle(tmp_path / "camera.safetensors"))
    with pytest.raises(ValueError, match=sentence):
        check_covers({"type": "DegFlow", "bundle": bundle, **section}, *scales)


def test_a_mixture_covers_what_all_its_parts_do(tmp_path: Path) -> None:
    bundle = str(write_random_bundle(tmp_path / "camera.safetensors"))
    parts = [{"type": "DegFlow", "bundle": bundle, "weight": 1}, {"type": "Bicubic", "weight": 1}]
    check_covers({"type": "Mixture", "parts": parts}, 1, 4)
    with pytest.raises(ValueError, match="got Mixture for 1 to 4"):
        check_covers({"type": "Mixture", "parts": parts}, 1, 5)


@pytest.mark.parametrize("kind", ["HRCropDataset", "MixedPairDataset"])
def test_hr_images_want_a_degradation(kind: str) -> None:
    opt: dict[str, Any] = {"datasets": {"train": {"type": kind}}}
    with pytest.raises(ValueError, match=f"degradation: section with {kind}"):
        check_has_lr(opt)
    check_has_lr({**opt, "degradation": {"type": "Bicubic"}})
    check_has_lr({"datasets": {"train": {"type": "PairedImageDataset"}}})


@pytest.mark.parametrize("kind", ["AnyScalePairDataset", "PairedImageDataset", "RealESRGANPairedDataset"])
def test_pairs_have_no_use_for_a_degradation(kind: str) -> None:
    opt = {"datasets": {"train": {"type": kind}}, "degradation": {"type": "Bicubic"}}
    with pytest.raises(ValueError, match=f"no section degradation with {kind} in datasets.train, which brings LR"):
        check_has_lr(opt)


@pytest.mark.parametrize(("mean", "std"), [([0.5] * 3, [0.5] * 3), ([0, 0, 0], [0.5] * 3), (None, None)])
def test_normalised_hr_has_no_degradation(mean: list[float] | None, std: list[float] | None) -> None:
    ffhq = {"type": "FFHQDataset", "mean": mean, "std": std}
    with pytest.raises(ValueError, match=r"mean \[0, 0, 0\] and std \[1, 1, 1\] of FFHQDataset"):
        check_has_lr({"datasets": {"train": ffhq}, "degradation": {"type": "Bicubic"}})
    ffhq |= {"mean": [0.0] * 3, "std": [1.0] * 3}
    check_has_lr({"datasets": {"train": ffhq}, "degradation": {"type": "Bicubic"}})
