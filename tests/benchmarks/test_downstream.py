"""The downstream benchmark: options that differ in the LR alone, sums whose answer is known, a whole run in small."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.random_networks import random_noise, random_rae, random_velocity
from helpers.tiny_camera import write_pairs

import degflow_aug
from degflow_aug.bundles.bundle import Bundle, GeneratorSpec, save_bundle
from degflow_aug.degradations.fitted.fitted_pipeline import FittedPipeline
from degflow_aug.draws import SampleDraw

pytest.importorskip("basicsr", reason="training needs BasicSR")
import benchmarks.downstream.__main__ as downstream
from benchmarks.downstream.kinds import KINDS, TRUE_PAIRS
from benchmarks.downstream.options import Setting, run_options
from benchmarks.downstream.report import fidelity_table, gain_table, percent
from benchmarks.downstream.runs import finished, option_text
from benchmarks.downstream.scores import Scores

EQUAL = ("manual_seed", "model_type", "scale", "network_g", "degflow", "train", "val", "logger", "path")
OF_THE_LOADER = ("gt_size", "batch_size_per_gpu", "use_hflip", "use_rot", "scenes", "dataroot_gt")
Values = dict[str, tuple[float, ...]]


def write_camera(path: Path, seed: int = 0, noise: bool = True) -> str:
    """A bundle of random networks with a box as its kernels, and as the blur of a pipeline."""
    rae, velocity, knots = random_rae(seed=seed), random_velocity(), (1.0, 2.0, 4.0)
    spec = GeneratorSpec(rae=rae.spec, velocity=velocity.spec, knots=knots, s_max=4.0)
    kernels = torch.full((3, 3, 3, 3), 1 / 9)
    kernels[0] = 0
    kernels[0, :, 1, 1] = 1
    taps = torch.zeros(3, 3, 7, 7)
    taps[..., 3, 3] = 1
    numbers = (torch.tensor(2.0), taps, torch.tensor(0.5))
    fitted = FittedPipeline(torch.tensor(knots), kernels, kernels, *numbers).state_dict()
    save_bundle(path, Bundle(spec, rae, velocity, [fitted], [random_noise().state_dict()] if noise else ()))
    return str(path)


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    pattern = write_pairs(tmp_path / "pairs", size=160)
    ours = [write_camera(tmp_path / f"ours{seed}.safetensors", seed) for seed in (0, 1)]
    bundles = {"ours": ours, "paper": [write_camera(tmp_path / "paper.safetensors", 2)]}
    return Setting(
        pairs=tmp_path / "pairs", test_pairs=tmp_path / "pairs", train="000-001", test="002", layout="pattern",
        pattern=pattern, train_scales=(2.0, 4.0), pair_scales=[2.0, 4.0], scales=[2.0, 4.0], bundles=bundles,
    )  # fmt: skip


def changed(setting: Setting, **values: Any) -> Setting:
    return Setting(**{**setting.__dict__, **values})


@pytest.mark.parametrize("network", [{"network": "liif"}, {"network": "rrdbnet", "upscale": 2}])
@pytest.mark.parametrize("size", ["small", "full"])
def test_options_differ_in_nothing_but_the_lr(network: dict[str, Any], size: str, setting: Setting) -> None:
    made = {kind: run_options(kind, 1, changed(setting, **network, size=size)) for kind in KINDS}
    first = made["bicubic"]
    for opt in made.values():
        assert {key: opt[key] for key in EQUAL} == {key: first[key] for key in EQUAL}
        train_set, expected = opt["datasets"]["train"], first["datasets"]["train"]
        assert {key: train_set[key] for key in OF_THE_LOADER} == {key: expected[key] for key in OF_THE_LOADER}
        assert opt["datasets"]["val"] == first["datasets"]["val"]
    assert len({option_text({"degradation": opt["degradation"]}) for opt in made.values()}) == len(KINDS)


def test_pairs_of_one_scale_are_cut_as_hr_images_are(setting: Setting) -> None:
    degflow_aug.register()
    from basicsr.data import build_dataset

    one_scale = changed(setting, train_scales=(4.0, 4.0), pair_scales=[4.0])
    sections = [run_options(kind, 0, one_scale)["datasets"]["train"] for kind in ("bicubic", TRUE_PAIRS)]
    hr, pairs = (build_dataset({**section, "phase": "train"}) for section in sections)
    assert len(hr) == len(pairs) == 2
    for seed in range(4):
        draw = SampleDraw(seed % 2, seed)
        assert torch.equal(hr[draw]["gt"], pairs[draw]["gt"])


@pytest.mark.parametrize("trace", ["validation/val_10.json", "training_states/5.state"])
def test_runs_count_for_the_options_that_gave_them(tmp_path: Path, trace: str) -> None:
    opt = {"name": "bicubic_0", "train": {"total_iter": 10, "lr": 1e-5}, "pattern": {"views": {2.9: "x/{id}.png"}}}
    other = {**opt, "train": {"total_iter": 20, "lr": 1e-5}}
    (tmp_path / "bicubic_0.yml").write_text(option_text(opt), encoding="utf-8")
    assert finished(other, tmp_path) is None
    file = tmp_path / "experiments" / "bicubic_0" / trace
    file.parent.mkdir(parents=True)
    file.write_text('{"scales": {"2.9": {"psnr": 25.0}}}', encoding="utf-8")
    assert finished(opt, tmp_path) == ({"2.9": {"psnr": 25.0}} if file.suffix == ".json" else None)
    with pytest.raises(ValueError, match=r"bicubic_0\.yml; name another --work folder"):
        finished(other, tmp_path)


@pytest.mark.slow
def test_whole_run(setting: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["--pairs", str(setting.pairs), "--layout", "pattern", "--pattern", str(setting.pattern)]
    arguments += ["--train", "000-001", "--test", "002", "--work", str(tmp_path / "work"), "--iterations", "2"]
    arguments += ["--train-scales", "2", "4", "--pair-scales", "2", "4", "--scales", "2", "--seeds", "1"]
    arguments += ["--kinds", "bicubic", TRUE_PAIRS, "--out", str(tmp_path / "downstream")]
    monkeypatch.setattr("sys.argv", ["downstream", *arguments])
    downstream.main()
    content = json.loads((tmp_path / "downstream.json").read_text())
    assert list(content["results"]) == ["bicubic", TRUE_PAIRS]
    assert "| bicubic |" in (tmp_path / "downstream.md").read_text()


def scores(**by_scale: Values) -> Scores:
    """Scores of Y-PSNR by scale (``x2``), kind and seed."""
    scales = {name.removeprefix("x").replace("_", "."): values for name, values in by_scale.items()}
    kinds = next(iter(scales.values()))
    return Scores(
        {
            kind: [
                {scale: {"psnr": float(values[kind][seed]), "ssim": 0.5} for scale, values in scales.items()}
                for seed in range(len(kinds[kind]))
            ]
            for kind in kinds
        }
    )


def test_means_spreads_and_shares() -> None:
    found = scores(x2_9={"bicubic": (24, 26), "DegFlow": (28, 28.5), "true pairs": (28.5, 29.5)})
    assert found.spread("bicubic", "2.9") == (25, 1)
    assert found.share("DegFlow", "2.9") == pytest.approx((28.25 - 25) / (29 - 25))
    assert (found.share("bicubic", "2.9"), found.share("true pairs", "2.9")) == (0, 1)
    assert "| bicubic | 25.00 ± 1.00 / 0.5000 |" in fidelity_table(found)
    assert [percent(share) for share in (0.899, 0.9, -0.001, 1.204)] == ["89 %", "90 %", "-1 %", "120 %"]


def test_marks_are_for_differences_beyond_both_half_spreads() -> None:
    # Half spreads 0.25 and 0.5: together 0.75, which binary numbers hold exactly.
    edge = scores(x2={"bicubic": (25, 25.5), "Real-ESRGAN": (25.5, 26.5), "true pairs": (25.75, 26.75)})
    assert edge.compare("bicubic", "Real-ESRGAN", "2") == "="
    assert edge.compare("bicubic", "true pairs", "2") == "<"
    assert edge.compare("true pairs", "bicubic", "2") == ">"
    assert re.search(r"^\| Real-ESRGAN \| \d+ % `=\.=` \|$", gain_table(edge), re.MULTILINE)


@pytest.mark.parametrize("truth", [(25, 25.5), (24, 24)])
def test_shares_need_a_gain_that_seeds_do_not_explain(truth: tuple[float, float]) -> None:
    found = scores(x2={"bicubic": (25, 25), "DegFlow": (25.2, 25.2), "true pairs": truth})
    assert found.share("DegFlow", "2") is None
    assert "| DegFlow | - `" in gain_table(found)
