"""The downstream benchmark compares what it says: options that train, and sums that are right."""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from random_networks import random_noise, random_rae, random_velocity
from tiny_camera import write_pairs

import degflow_aug
from degflow_aug.bundle import Bundle, GeneratorSpec, save_bundle

pytest.importorskip("basicsr", reason="training needs BasicSR")
FILE = Path(__file__).resolve().parents[1] / "benchmarks" / "downstream.py"


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("downstream", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_options_differ_in_nothing_but_the_lr(benchmark: ModuleType, tmp_path: Path) -> None:
    degflow_aug.register()
    from degflow_aug.models.option_check import check_training_options

    pattern = write_pairs(tmp_path / "pairs", size=160)
    rae, velocity = random_rae(), random_velocity()
    spec = GeneratorSpec(rae=rae.spec, velocity=velocity.spec, knots=(1.0, 2.0, 4.0), s_max=4.0)
    save_bundle(tmp_path / "camera.safetensors", Bundle(spec, rae, velocity, noise=random_noise().state_dict()))
    args = argparse.Namespace(
        pairs=tmp_path / "pairs", test_pairs=None, layout="pattern", pattern=pattern, num_gpu=0, iterations=10,
        bundle=tmp_path / "camera.safetensors", train="000-001", test="002", train_scales=[2.0, 4.0],
        pair_scales=[2.0, 4.0], scales=[2.0], noise=1.0,
    )  # fmt: skip
    made: dict[str, dict[str, Any]] = {kind: benchmark.options(kind, 1, args) for kind in benchmark.KINDS}
    for kind, opt in made.items():
        check_training_options(opt, kind)
    same = ("manual_seed", "network_g", "degflow", "train", "val", "logger")
    assert all({key: opt[key] for key in same} == {key: made["bicubic"][key] for key in same} for opt in made.values())
    assert {(opt["degradation"] or {}).get("type") for opt in made.values()} == {
        "Bicubic", "RealESRGAN", "DegFlow", None,
    }  # fmt: skip


def test_table_and_recovered_share(benchmark: ModuleType) -> None:
    values = {"bicubic": (24, 26), "Real-ESRGAN": (22, 22), "DegFlow": (26, 26.5), "real pairs": (26.5, 27.5)}
    results = {kind: [{"2.9": {"psnr": float(psnr), "ssim": 0.5}} for psnr in found] for kind, found in values.items()}
    assert benchmark.recovered(results) == {"2.9": pytest.approx((26.25 - 25) / (27 - 25))}
    assert "| bicubic | 25.00 ± 1.00 / 0.5000 |" in benchmark.table(results)


@pytest.mark.parametrize("key", [2.9, 2, "2.9"])
def test_results_count_for_the_options_that_gave_them(benchmark: ModuleType, tmp_path: Path, key: object) -> None:
    opt = {"name": "bicubic_0", "train": {"total_iter": 10, "lr": 1e-5}, "pattern": {"views": {key: "x/{id}.png"}}}
    assert benchmark.finished(opt, tmp_path) == []
    (tmp_path / "bicubic_0.yml").write_text(yaml.safe_dump(opt, sort_keys=False), encoding="utf-8")
    results = tmp_path / "experiments" / "bicubic_0" / "validation"
    results.mkdir(parents=True)
    changed = {**opt, "train": {"total_iter": 20, "lr": 1e-5}}
    assert benchmark.finished(changed, tmp_path) == []
    (results / "val_10.json").write_text("{}", encoding="utf-8")
    assert benchmark.finished(opt, tmp_path) == [results / "val_10.json"]
    with pytest.raises(ValueError, match=r"bicubic_0\.yml; name another --work folder"):
        benchmark.finished(changed, tmp_path)
    (tmp_path / "bicubic_0.yml").unlink()
    with pytest.raises(ValueError, match="of these options"):
        benchmark.finished(opt, tmp_path)
