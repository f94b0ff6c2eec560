"""Keys of ``degflow`` without effect are said, and pairs outside of its range of scales refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("basicsr", reason="checks are of BasicSR's option files")

from degflow_aug.data.any_scale_pair_dataset import AnyScalePairs
from degflow_aug.data.hr_crop_dataset import HRCrops
from degflow_aug.data.layouts.scene_pairs import Pair
from degflow_aug.data.mixed_pair_dataset import MixedPairs
from degflow_aug.files import notice
from degflow_aug.files.image_file import write_image
from degflow_aug.files.image_tree import find_images
from degflow_aug.models.checks.effects import check_scales_of_pairs, say_idle_keys
from degflow_aug.models.lfm_model import say_other_times
from degflow_aug.models.stages.kernel_source import say_unused_kernel
from degflow_aug.options.stages import DistillOptions, LFMOptions, RAEOptions, RefineOptions
from degflow_aug.options.super_resolution import ArbitraryScaleOptions

KNOTS = (1.0, 2.0)
STAGES = (LFMOptions, RefineOptions, DistillOptions)


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notice, "_SAID", set())


@pytest.mark.parametrize(("kind", "section", "said"), [
    (LFMOptions, {"pseudo_share": 0.5, "lpips_weight": 1.0}, "degflow.pseudo_share has no effect: rollout_weight is 0"),
    (LFMOptions, {"rollout_steps": 3}, "degflow.rollout_steps has no effect: rollout_weight is 0"),
    (LFMOptions, {"rollout_steps": 3, "pseudo_share": 0.5, "rollout_weight": 1.0}, ""),
    (LFMOptions, {"pseudo_share": 0.0, "lpips_vgg": "vgg.pth", "lpips_weight": 1.0}, ""),
    *((kind, {"lpips_vgg": "vgg.pth"}, "degflow.lpips_vgg has no effect: lpips_weight is 0") for kind in STAGES),
    (RefineOptions, {"zoom_room": 32}, "degflow.zoom_room has no effect: zoom_share is 0"),
    (RefineOptions, {"zoom_room": 32, "zoom_share": 0.4, "pseudo_share": 0.5}, ""),
    (RefineOptions, {"zoom_share": 1.0, "pseudo_share": 0.5}, "degflow.pseudo_share has no effect: zoom_share is 1"),
    (DistillOptions, {"latent_weight": 0.0, "method": "consistency"}, "degflow.method has no effect: latent_weight"),
    (DistillOptions, {"image_weight": 0.0, "pseudo_share": 0.5}, "degflow.pseudo_share has no effect: image_weight"),
    (DistillOptions, {"image_weight": 0.0, "lpips_weight": 1.0, "pseudo_share": 0.5, "method": "average"}, ""),
    (LFMOptions, {"tolerance": 1e-4}, "degflow.tolerance has no effect: it is that of solver: rk45"),
    (LFMOptions, {"tolerance": 1e-4, "solver": "rk45"}, ""),
    (LFMOptions, {"steps": 4, "solver": "rk45"}, "degflow.steps has no effect: solver: rk45"),
    (RAEOptions, {"pseudo_share": 0.5}, ""),
    (RefineOptions, {"pseudo_share": 0.5, "steps": 3}, ""),
    (ArbitraryScaleOptions, {"preview_scales": (2.0,)}, "degflow.preview_scales has no effect: preview_freq is 0"),
    (ArbitraryScaleOptions, {"preview_scales": (2.0,), "preview_freq": 5, "queries": 9}, ""),
    (ArbitraryScaleOptions, {"queries": 9, "window": 8}, "degflow.queries has no effect: window is set"),
])  # fmt: skip
def test_what_other_keys_leave_idle(
    kind: Any, section: dict[str, Any], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    say_idle_keys(kind(**section, **({} if kind is ArbitraryScaleOptions else {"knots": KNOTS})), section)
    assert len(caplog.records) == bool(said)
    assert said in caplog.text


def test_times_that_the_bundle_does_not_ask_at(caplog: pytest.LogCaptureFixture) -> None:
    say_other_times(LFMOptions(knots=(1.0, 2.0, 4.0), times={2.0: 0.33337}))
    assert not caplog.records
    say_other_times(LFMOptions(knots=(1.0, 2.0, 4.0), times={2.0: 0.6}))
    assert "the bundle asks x2 at t = 0.3333, and not at 0.6" in caplog.text


@pytest.mark.parametrize(("settings", "keys"), [
    ({"kernel": "nofile.safetensors"}, ["kernel"]), ({"pipeline": "always"}, ["pipeline"]), ({}, []),
    ({"kernel": "nofile.safetensors", "pipeline": "never"}, ["kernel", "pipeline"]),
])  # fmt: skip
def test_a_kernel_that_nothing_needs(
    settings: dict[str, str], keys: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    say_unused_kernel(RAEOptions(knots=KNOTS, **settings))
    assert [record.message.partition(" ")[0] for record in caplog.records] == [f"degflow.{key}" for key in keys]


def pairs(folder: Path, *scales: float) -> AnyScalePairs:
    made = []
    for scale in scales:
        for name, side in (("hr", 48), ("lr", round(48 / scale))):
            write_image(folder / f"{name}{scale:g}.png", np.zeros((side, side, 3), np.uint8))
        made.append(Pair(f"x{scale:g}", scale, folder / f"hr{scale:g}.png", folder / f"lr{scale:g}.png"))
    return AnyScalePairs(made, lr_size=8, gt_size=32)


@pytest.mark.parametrize(("section", "sentence"), [
    ({"scale_range": [2, 3]}, "expected pairs of scales inside degflow.scale_range, 2 to 3, got some of x4"),
    ({"scale_range": [2.5, 4]}, "inside degflow.scale_range, 2.5 to 4, got some of x2"),
    ({"scale_range": [1, 4]}, None), ({"scale_range": [2, 4.0]}, None), ({}, None),
])  # fmt: skip
def test_pairs_bring_their_scales(
    section: dict[str, Any], sentence: str | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = ArbitraryScaleOptions(lr_size=8, **section, preview_scales=(3.0,))
    opt = {"degflow": section, "datasets": {"train": {"type": "AnyScalePairDataset"}}}
    if sentence:
        with pytest.raises(ValueError, match=sentence):
            check_scales_of_pairs(options, opt, pairs(tmp_path, 2, 4))
        return
    check_scales_of_pairs(options, opt, pairs(tmp_path, 2, 4))
    assert ("scale_range draws no scales: those of the pairs of datasets.train are 2, 4" in caplog.text) is bool(
        section
    )
    assert "preview_scales has no effect: previews show the pairs of datasets.train, at scale 2, 4" in caplog.text


def test_pairs_of_basicsr_and_hr_images(caplog: pytest.LogCaptureFixture) -> None:
    options = ArbitraryScaleOptions(scale_range=(1, 3))
    opt: dict[str, Any] = {"degflow": {"scale_range": [1, 3]}, "scale": 4, "datasets": {"train": {}}}
    for kind in ("HRCropDataset", "MixedPairDataset"):
        opt["datasets"]["train"]["type"] = kind
        check_scales_of_pairs(options, opt, None)
    assert not caplog.records
    for kind in ("PairedImageDataset", "RealESRGANPairedDataset"):
        opt["datasets"]["train"]["type"] = kind
        with pytest.raises(ValueError, match="got some of x4"):
            check_scales_of_pairs(options, opt, None)


@pytest.mark.parametrize(("share", "section", "sentence"), [
    (0.5, {"scale_range": [1, 3]}, "expected pairs of scales inside degflow.scale_range, 1 to 3, got some of x4"),
    (0.5, {"scale_range": [1, 4]}, ""),
    (1, {"scale_range": [1, 3]}, "expected pairs of scales inside degflow.scale_range, 1 to 3, got some of x4"),
    (1, {}, "real_share is 1: no image of hr is drawn, and degradation makes no LR"),
    (0, {"scale_range": [1, 3]}, "real_share is 0: no pair of real is drawn"),
])  # fmt: skip
def test_pairs_among_hr_images_bring_theirs_too(
    share: float, section: dict[str, Any], sentence: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    real = pairs(tmp_path, 2, 4)
    (tmp_path / "photographs").mkdir()
    write_image(tmp_path / "photographs" / "a.png", np.zeros((40, 40, 3), np.uint8))
    mixed = MixedPairs(real, HRCrops(find_images(tmp_path / "photographs"), crop_size=32), real_share=share)
    options = ArbitraryScaleOptions(lr_size=8, **section)
    opt = {"datasets": {"train": {"type": "MixedPairDataset"}}, "degflow": section}
    if sentence.startswith("expected"):
        with pytest.raises(ValueError, match=f"^{sentence}"):
            check_scales_of_pairs(options, opt, mixed)
    else:
        check_scales_of_pairs(options, opt, mixed)
        assert len(caplog.records) == bool(sentence)
        assert sentence in caplog.text
