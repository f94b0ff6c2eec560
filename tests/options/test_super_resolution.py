"""The ``degflow:`` section of super-resolution models, and mistakes that are found before anything is written."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.tiny_sr import EDSR, L1, LIIF, register, sr_options, with_discriminator, write_random_bundle

from degflow_aug.options.sections import read_options
from degflow_aug.options.super_resolution import ArbitraryScaleOptions, SROptions

pytest.importorskip("basicsr", reason="option files are BasicSR's")
register()

from degflow_aug.cli import main  # noqa: E402
from degflow_aug.models.checks.training_options import check_training_options  # noqa: E402


def test_nothing_needs_to_be_said() -> None:
    assert read_options(SROptions, {}, "degflow") == SROptions()
    options = read_options(ArbitraryScaleOptions, {}, "degflow")
    assert options.gt_size == 192
    assert options.shown_scales() == (1, 2.5, 4)


@pytest.mark.parametrize(
    ("section", "shown"),
    [({"scale_range": [2, 2]}, (2,)), ({"scale_range": [1, 3]}, (1, 2, 3)), ({"preview_scales": [2, 3.5]}, (2, 3.5))],
)
def test_scales_of_the_strips(section: dict[str, Any], shown: tuple[float, ...]) -> None:
    assert read_options(ArbitraryScaleOptions, section, "degflow").shown_scales() == shown


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ({"amp": "fp16"}, "degflow.amp to be none or bf16, got 'fp16'"),
        ({"accumulate": 0}, "whole number from 1 to 65536 in degflow.accumulate, got 0"),
        ({"grad_clip": -1}, "number from 0 to 1000000000 in degflow.grad_clip, got -1"),
        ({"preview_freq": -5}, "whole number from 0 to 1000000000 in degflow.preview_freq, got -5"),
        ({"preview_freq": 2.5}, "expected a whole number .* in degflow.preview_freq, got 2.5"),
        ({"compile": 1}, "expected true or false in degflow.compile"),
        ({"lr_sizes": 48}, "did you mean 'lr_size'"),
        ({"lr_size": 0}, "from 1 to 4096 in degflow.lr_size, got 0"),
        ({"memory_mb": 0}, "above 0, at most 1048576 in degflow.memory_mb"),
        ({"queries": 1e12}, "from 1 to 16777216 in degflow.queries"),
        ({"scale_range": [4, 1]}, r"\[low, high\] with 1 <= low <= high, got"),
        ({"scale_range": [0.5, 4]}, "from 1 to 1000 in degflow.scale_range, got 0.5"),
        ({"scale_range": [1, 2, 3]}, "expected 2 values in degflow.scale_range"),
        ({"scale_range": [1, math.inf]}, "from 1 to 1000 in degflow.scale_range, got inf"),
        ({"scale_range": 4}, "expected a list in degflow.scale_range"),
        ({"lr_size": 24, "window": 25}, "degflow.window of at most 24, the HR side at the lowest scale, got 25"),
        ({"scales": [2, 8]}, "degflow.scales inside scale_range, 1 to 4, got 8"),
        ({"true_scales": {4: 3.75, 2: 2.1}}, "degflow.true_scales that rise with their labels"),
        ({"true_scales": {1: 1.5}}, "degflow.true_scales that rise with their labels"),
        ({"true_scales": {"a": 2}}, "degflow.true_scales that rise with their labels"),
        ({"true_scales": {2: 0.5}}, "from 1 to 1000 in degflow.true_scales"),
        ({"preview_scales": [8]}, "degflow.preview_scales inside scale_range, 1 to 4, got 8"),
        ({"preview_scales": [0.5, 2]}, "got 0.5"),
        ({"queries": math.nan}, "expected a whole number .* in degflow.queries, got nan"),
    ],
)
def test_mistakes_are_one_sentence(section: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        read_options(ArbitraryScaleOptions, section, "degflow")


@pytest.mark.parametrize("kind", ["arbitrary", "fixed", "gan"])
def test_whole_files_pass_and_are_left_as_they_are(kind: str, tmp_path: Path) -> None:
    opt = sr_options(kind, tmp_path)
    before = json.dumps(opt)
    check_training_options(opt, "run.yml")
    assert json.dumps(opt) == before
    if kind == "arbitrary":
        windows = with_discriminator(sr_options(kind, tmp_path, window=8))
        windows["train"] |= {"perceptual_opt": {"type": "TextureLoss"}, "ldl_opt": dict(L1)}
        check_training_options(windows, "run.yml")


Change = Callable[[dict[str, Any]], Any]
MISTAKES: list[tuple[str, Change, str]] = [
    ("arbitrary", lambda opt: opt["degflow"].update(scale_range=[1, 4.5], lr_size=7), "covers scale 1 to 4.5"),
    ("arbitrary", lambda opt: opt["degflow"].update(lr_size=9), "gt_size of at least 36, lr_size 9 times the highest"),
    ("arbitrary", lambda opt: opt["degflow"].update(window=9), "degflow.window of at most 8"),
    ("arbitrary", lambda opt: opt["degflow"].update(quieries=9), "did you mean 'queries'"),
    ("arbitrary", lambda opt: opt["degflow"].update(preview_scales=[5]), "preview_scales inside"),
    ("arbitrary", lambda opt: opt["degflow"].update(scales=[5]), "scales inside"),
    (
        "arbitrary",
        lambda opt: (
            opt["degflow"].update(true_scales={2: 2.1}),
            opt["degradation"].update(type="Mixture", parts=[{"weight": 1, "type": "DegFlow", "noise": 1.0}]),
        ),
        "expected no noise in the section",
    ),
    ("arbitrary", lambda opt: opt.update(network_g=dict(EDSR)), "arbitrary-scale network .* got EDSR"),
    ("arbitrary", lambda opt: opt["network_g"].update(type="LIFF"), "did you mean 'LIIF'"),
    ("arbitrary", lambda opt: opt["train"].update(perceptual_opt={"type": "TextureLoss"}), "window above 0 with"),
    ("arbitrary", lambda opt: opt["train"].update(ldl_opt=dict(L1)), "window above 0 with train.ldl_opt"),
    ("arbitrary", with_discriminator, "window above 0 with train.gan_opt"),
    ("arbitrary", lambda opt: opt.update(network_d={"type": "TinyDiscriminator"}), "expected train.gan_opt"),
    ("arbitrary", lambda opt: opt.pop("degradation"), "expected a degradation: section with HRCropDataset"),
    ("arbitrary", lambda opt: opt["train"].pop("pixel_opt"), "got neither; add a loss"),
    ("arbitrary", lambda opt: opt["datasets"]["train"].update(gt_size=31), "gt_size of at least 32"),
    ("fixed", lambda opt: opt["datasets"]["train"].update(gt_size=31), "gt_size to be a multiple of scale 2, got 31"),
    ("fixed", lambda opt: opt.update(scale=5, network_g={**EDSR, "upscale": 3}), "multiple of scale 5"),
    ("fixed", lambda opt: opt.pop("scale"), "expected scale as a whole number"),
    ("fixed", with_discriminator, "use DegradedESRGANModel"),
    ("fixed", lambda opt: opt.update(network_d={"type": "TinyDiscriminator"}), "use DegradedESRGANModel"),
    ("fixed", lambda opt: opt.update(network_g=dict(LIIF)), "fixed scale in network_g, got LIIF"),
    ("fixed", lambda opt: opt["degradation"].update(type="Bicubik"), "did you mean 'Bicubic'"),
    ("fixed", lambda opt: opt["degradation"].update(sigma=2), "sigma"),
    ("fixed", lambda opt: opt["degflow"].update(window=8), "unknown key 'window'"),
    ("fixed", lambda opt: opt["train"].update(ldl_opt=dict(L1), ema_decay=0), "train.ema_decay above 0"),
    ("fixed", lambda opt: opt["train"]["pixel_opt"].update(type="L1Los"), "did you mean 'L1Loss'"),
    ("gan", lambda opt: opt.pop("network_d"), "expected network_d for DegradedESRGANModel"),
    ("gan", lambda opt: opt["train"].pop("gan_opt"), "expected train.gan_opt for DegradedESRGANModel"),
    ("gan", lambda opt: opt["train"].pop("optim_d"), "expected train.optim_d for DegradedESRGANModel"),
]


@pytest.mark.parametrize(("kind", "change", "sentence"), MISTAKES)
def test_mistakes_are_found_before_training(kind: str, change: Change, sentence: str, tmp_path: Path) -> None:
    bundle = str(write_random_bundle(tmp_path / "camera.safetensors"))
    section = {"type": "DegFlow", "bundle": bundle} if kind == "arbitrary" else {"type": "Bicubic"}
    opt = sr_options(kind, tmp_path, degradation=section)
    change(opt)
    with pytest.raises(ValueError, match=sentence) as caught:
        check_training_options(opt, "run.yml")
    assert "\n" not in str(caught.value)


def test_the_command_says_one_sentence_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opt = sr_options("arbitrary", tmp_path)
    opt["train"]["perceptual_opt"] = {"type": "TextureLoss"}
    (tmp_path / "run.yml").write_text(json.dumps(opt), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert main(["train", "-opt", "run.yml"]) == 2
    assert capsys.readouterr().err.startswith("degflow: expected degflow.window above 0")
    assert sorted(tmp_path.rglob("*")) == before
