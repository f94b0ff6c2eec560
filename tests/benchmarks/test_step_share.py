"""The step-share benchmark runs whole steps on each degradation in turn, and on LR that is there already."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.tiny_sr import write_random_bundle

pytest.importorskip("basicsr", reason="training needs BasicSR")
import degflow_aug
from benchmarks.cost import step_share
from benchmarks.cost.step_share import READY, Share, measure, parse, row, table
from benchmarks.shared.step_models import NETWORKS, build, sections, step_options, write_bundle
from degflow_aug.bundles.bundle import load_bundle

ARGUMENTS = ["--device", "cpu", "--rounds", "2", "--steps", "1", "--threads", "1"]
SMALL: dict[str, dict[str, Any]] = {
    "EDSR-LIIF": {
        "type": "LIIF", "encoder_spec": {"name": "edsr-baseline", "args": {"n_resblocks": 1, "n_feats": 8}},
        "imnet_spec": {"name": "mlp", "args": {"hidden_list": [16]}},
    },
    "RRDBNet x4": {
        "type": "RRDBNet", "num_in_ch": 3, "num_out_ch": 3, "num_feat": 8, "num_block": 1, "num_grow_ch": 4,
    },
    "SwinIR x4": {
        "type": "SwinIR", "upscale": 4, "in_chans": 3, "img_size": 16, "window_size": 8, "img_range": 1.0,
        "depths": [1], "embed_dim": 12, "num_heads": [2], "mlp_ratio": 2, "upsampler": "nearest+conv",
        "resi_connection": "1conv",
    },
}  # fmt: skip


def small_options(network: str, args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    return {**step_options(network, args, folder), "network_g": SMALL[network]}


@pytest.mark.parametrize("network", list(NETWORKS))
def test_steps_are_of_the_degradation_in_turn(network: str, tmp_path: Path) -> None:
    args = parse([*ARGUMENTS, "--batch", "2", "--size", "64"])
    opt = small_options(network, args, tmp_path)
    degradations = sections(write_random_bundle(tmp_path / "a.safetensors"), "tiny", "fp32", compiled=False)
    model, sources = build(opt, degradations)
    assert list(sources) == ["bicubic", "Real-ESRGAN", "DegFlow tiny"]
    order: list[str] = []
    take_step = model.take_step

    def watched(number: int) -> Any:
        name = next(name for name, source in sources.items() if source is model.source)
        order.append(READY if bool(model.batch.own.all()) else name)
        return take_step(number)

    model.take_step = watched
    before = [value.clone() for value in model.net_g.parameters()]
    gt = torch.randint(256, (2, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    found = measure(model, sources, gt, rounds=2, steps=2)
    # One round that is not counted, two that are.
    assert order == [name for _ in range(3) for name in found for _ in range(2)]
    assert any(not torch.equal(old, new) for old, new in zip(before, model.net_g.parameters(), strict=True))
    for name, share in found.items():
        assert len(share.seconds) == len(share.share) == 2, name
        assert all(0 < value < 1 for value in share.share), name


def test_sizes_are_the_option_files_or_those_asked_for(tmp_path: Path) -> None:
    opt = step_options("EDSR-LIIF", parse(ARGUMENTS), tmp_path)
    train = opt["datasets"]["train"]
    assert (train["batch_size_per_gpu"], train["gt_size"], opt["degflow"]["lr_size"]) == (16, 128, 44)
    assert opt["degflow"]["queries"] == 48**2
    opt = step_options("EDSR-LIIF", parse([*ARGUMENTS, "--batch", "3", "--size", "70"]), tmp_path)
    train = opt["datasets"]["train"]
    assert (train["batch_size_per_gpu"], train["gt_size"], opt["degflow"]["lr_size"]) == (3, 70, 24)
    assert opt["degflow"]["queries"] == 24**2
    opt = step_options("SwinIR x4", parse([*ARGUMENTS, "--precision", "bf16", "--compile"]), tmp_path)
    assert (opt["degflow"]["amp"], opt["degflow"]["compile"]) == ("bf16", True)
    assert opt["network_g"]["embed_dim"] == 180


def test_generator_is_the_preset_with_its_default(tmp_path: Path) -> None:
    path = write_bundle("small", tmp_path / "a.safetensors", 0)
    spec = load_bundle(path).spec
    assert (spec.solver, spec.steps, spec.rae["anchored"]) == ("euler", 2, True)
    hr = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert degflow_aug.load_generator(path)(hr, 4.0).shape == (1, 3, 16, 16)
    section = sections(tmp_path / "a.safetensors", "small", "bf16", compiled=True)["DegFlow small"]
    assert "solver" not in section
    assert (section["amp"], section["compile"]) == ("bf16", True)


def test_shares_and_what_is_added() -> None:
    found = {"x": Share([4.0, 5.0, 9.0], [0.2, 0.3, 0.1]), READY: Share([4.0, 4.0, 3.0], [0.0, 0.0, 0.0])}
    train = {"batch_size_per_gpu": 2, "gt_size": 64}
    made = row("net", "x", found, train)
    assert (made["seconds"], made["share"], made["added"]) == (5.0, 0.2, pytest.approx(0.2))
    text = table([made, row("net", READY, found, train)])
    assert "| net | x | 2 | 64 | 5000.0 | 20.0% | 20.0% |" in text
    assert text.endswith(f"| net | {READY} | 2 | 64 | 4000.0 |  |  |")


def test_whole_run_writes_its_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step_share, "step_options", small_options)
    bundle = write_random_bundle(tmp_path / "camera.safetensors")
    arguments = [*ARGUMENTS, "--networks", "RRDBNet x4", "--batch", "1", "--size", "32", "--bundle", str(bundle)]
    step_share.main([*arguments, "--out", str(tmp_path / "share")])
    content = json.loads((tmp_path / "share.json").read_text())
    assert [each["degradation"] for each in content["rows"]] == ["bicubic", "Real-ESRGAN", "DegFlow camera", READY]
    assert content["facts"]["bundle"] == "camera.safetensors"
    assert content["facts"]["threads"] == 1
    assert "| RRDBNet x4 | DegFlow camera | 1 | 32 |" in (tmp_path / "share.md").read_text()
