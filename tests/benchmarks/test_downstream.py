"""The downstream benchmark compares what it says: options that differ in the LR alone, and runs that count once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from helpers.random_networks import random_noise, random_rae, random_velocity
from helpers.tiny_camera import write_pairs

import degflow_aug
from degflow_aug.bundles.bundle import Bundle, GeneratorSpec, save_bundle
from degflow_aug.degradations.fitted.fitted_pipeline import FittedPipeline
from degflow_aug.draws import SampleDraw

pytest.importorskip("basicsr", reason="training needs BasicSR")
from benchmarks.downstream import __main__ as downstream
from benchmarks.downstream.kinds import KINDS, TRUE_PAIRS, bundle_digests, chosen_kinds, degradation_section
from benchmarks.downstream.options import Setting, run_options
from benchmarks.downstream.runs import RunFailedError, finished, option_text, train_all

EQUAL = ("manual_seed", "model_type", "scale", "network_g", "degflow", "train", "val", "logger", "path")
OF_THE_LOADER = ("gt_size", "batch_size_per_gpu", "use_hflip", "use_rot", "scenes", "dataroot_gt")


def write_camera(path: Path, seed: int = 0, noise: bool = True) -> str:
    """A bundle of random networks with a box as its kernels, and as the blur of a pipeline."""
    rae, velocity = random_rae(seed=seed), random_velocity()
    knots = (1.0, 2.0, 4.0)
    spec = GeneratorSpec(rae=rae.spec, velocity=velocity.spec, knots=knots, s_max=4.0)
    kernels = torch.full((3, 3, 3, 3), 1 / 9)
    kernels[0] = 0
    kernels[0, :, 1, 1] = 1
    taps = torch.zeros(3, 3, 7, 7)
    taps[..., 3, 3] = 1
    numbers = (torch.tensor(2.0), taps, torch.tensor(0.5))
    fitted = FittedPipeline(torch.tensor(knots), kernels, kernels, *numbers).state_dict()
    save_bundle(path, Bundle(spec, rae, velocity, fitted, random_noise().state_dict() if noise else {}))
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


@pytest.mark.parametrize("network", [{"network": "liif"}, *({"network": "rrdbnet", "upscale": s} for s in (2, 4))])
@pytest.mark.parametrize("size", ["small", "full"])
def test_options_differ_in_nothing_but_the_lr(network: dict[str, Any], size: str, setting: Setting) -> None:
    degflow_aug.register()
    from degflow_aug.models.checks.training_options import check_training_options

    if size == "full":
        # Pairs of 160 pixels hold no crop of the full size: sizes are compared, and images are not looked for.
        made = {kind: run_options(kind, 1, changed(setting, **network, size=size)) for kind in KINDS}
    else:
        made = {kind: run_options(kind, 1, changed(setting, **network, iterations=10)) for kind in KINDS}
        for kind, opt in made.items():
            check_training_options(opt, kind)
    first = made["bicubic"]
    for opt in made.values():
        assert {key: opt[key] for key in EQUAL} == {key: first[key] for key in EQUAL}
        train_set, expected = opt["datasets"]["train"], first["datasets"]["train"]
        assert {key: train_set[key] for key in OF_THE_LOADER} == {key: expected[key] for key in OF_THE_LOADER}
        assert opt["datasets"]["val"] == first["datasets"]["val"]
    assert len({opt["name"] for opt in made.values()}) == len(KINDS)
    degradations = [option_text({"degradation": opt["degradation"]}) for opt in made.values()]
    assert len(set(degradations)) == len(KINDS)


def test_small_and_full_are_what_they_are_called(setting: Setting) -> None:
    from basicsr.archs.rrdbnet_arch import RRDBNet

    full = run_options("DegFlow", 0, changed(setting, size="full"))
    assert full["network_g"]["encoder_spec"]["args"] == {"n_resblocks": 16, "n_feats": 64}
    assert (full["degflow"]["queries"], full["degflow"]["lr_size"], full["train"]["total_iter"]) == (2304, 44, 200000)
    assert full["datasets"]["train"]["gt_size"] == 176
    small = run_options("DegFlow", 0, setting)
    assert (small["degflow"]["queries"], small["datasets"]["train"]["gt_size"]) == (512, 128)
    rrdbnet = run_options("true pairs", 0, changed(setting, network="rrdbnet", upscale=2))
    network = RRDBNet(**{key: value for key, value in rrdbnet["network_g"].items() if key != "type"})
    assert network(torch.zeros(1, 3, 16, 16)).shape == (1, 3, 32, 32)
    assert (rrdbnet["datasets"]["train"]["lr_size"], rrdbnet["datasets"]["val"]["scales"]) == (64, [2])


def test_pairs_of_one_scale_are_cut_as_hr_images_are(setting: Setting) -> None:
    degflow_aug.register()
    from basicsr.data import build_dataset

    one_scale = changed(setting, train_scales=(4.0, 4.0), pair_scales=[4.0])
    sets = []
    for kind in ("bicubic", TRUE_PAIRS):
        section = run_options(kind, 0, one_scale)["datasets"]["train"]
        sets.append(build_dataset({**section, "phase": "train"}))
    hr, pairs = sets
    assert len(hr) == len(pairs) == 2
    for seed in range(8):
        draw = SampleDraw(seed % 2, seed)
        assert torch.equal(hr[draw]["gt"], pairs[draw]["gt"])


def test_each_seed_has_its_generator(setting: Setting, tmp_path: Path) -> None:
    sections = [degradation_section("DegFlow + noise", seed, setting.bundles) for seed in range(3)]
    files = [section["bundle"] for section in sections if section]
    assert [Path(file).name for file in files] == ["ours0.safetensors", "ours1.safetensors", "ours0.safetensors"]
    mixture = degradation_section("mixture", 1, setting.bundles)
    assert mixture is not None
    assert [part.get("bundle", "") for part in mixture["parts"]] == [files[1], ""]
    assert [part["weight"] for part in mixture["parts"]] == [0.7, 0.3]
    assert mixture["parts"][0]["noise"] == 1
    assert degradation_section("DegFlow paper", 1, setting.bundles) == {
        "type": "DegFlow", "bundle": str(tmp_path / "paper.safetensors"),
    }  # fmt: skip
    assert degradation_section(TRUE_PAIRS, 0, setting.bundles) is None


def test_kinds_without_their_generator_are_left_out() -> None:
    assert chosen_kinds(None, {}) == ["bicubic", "Real-ESRGAN", "true pairs"]
    assert "DegFlow paper" not in chosen_kinds(None, {"ours": ["x"], "paper": []})
    assert chosen_kinds(["true pairs", "bicubic"], {"ours": ["x"]}) == ["bicubic", "true pairs"]
    with pytest.raises(ValueError, match=r"generator for 'DegFlow paper', got none; name it with --paper-bundle"):
        chosen_kinds(["DegFlow paper"], {"ours": ["x"]})
    with pytest.raises(ValueError, match="got 'degflow'"):
        chosen_kinds(["degflow"], {})


@pytest.mark.parametrize("key", [2.9, 2, "2.9"])
@pytest.mark.parametrize("trace", ["validation/val_10.json", "training_states/5.state"])
def test_runs_count_for_the_options_that_gave_them(tmp_path: Path, key: object, trace: str) -> None:
    opt = {"name": "bicubic_0", "train": {"total_iter": 10, "lr": 1e-5}, "pattern": {"views": {key: "x/{id}.png"}}}
    other = {**opt, "train": {"total_iter": 20, "lr": 1e-5}}
    assert finished(opt, tmp_path) is None
    (tmp_path / "bicubic_0.yml").write_text(option_text(opt), encoding="utf-8")
    assert yaml.safe_load(option_text(opt)) == opt
    assert finished(other, tmp_path) is None
    file = tmp_path / "experiments" / "bicubic_0" / trace
    file.parent.mkdir(parents=True)
    file.write_text('{"scales": {"2.9": {"psnr": 25.0}}}', encoding="utf-8")
    assert finished(opt, tmp_path) == ({"2.9": {"psnr": 25.0}} if file.suffix == ".json" else None)
    with pytest.raises(ValueError, match=r"bicubic_0\.yml; name another --work folder"):
        finished(other, tmp_path)
    (tmp_path / "bicubic_0.yml").unlink()
    with pytest.raises(ValueError, match="of these options"):
        finished(opt, tmp_path)


def test_another_generator_under_the_same_name_is_noticed(setting: Setting, tmp_path: Path) -> None:
    opt = run_options("mixture", 0, setting)
    before, (named,) = option_text(opt), dict(bundle_digests(opt["degradation"]))
    assert named == str(tmp_path / "ours0.safetensors")
    write_camera(tmp_path / "ours0.safetensors", seed=5)
    assert option_text(opt) != before
    assert yaml.safe_load(option_text(opt)) == yaml.safe_load(before) == opt


def test_a_failing_run_is_named_with_its_log_and_the_others_end(setting: Setting, tmp_path: Path) -> None:
    work = tmp_path / "work"
    broken = {"name": "broken_0", "model_type": "ArbitraryScaleSRModle", "datasets": {}, "train": {}}
    good = run_options("DegFlow + noise", 0, changed(setting, iterations=2))
    told: list[str] = []
    with pytest.raises(RunFailedError, match=r"broken_0 ended with 2, .*broken_0\.log says last: .*ArbitraryScaleSR"):
        train_all({("broken", 0): broken, ("good", 0): good}, work, jobs=1, threads=1, report=told.append)
    assert [line.split()[-2:] for line in told] == [["failed", "broken_0"], ["done", "DegFlow_noise_0"]]
    log = (work / "DegFlow_noise_0.log").read_bytes()
    found = train_all({("good", 0): good}, work, jobs=1, threads=1, report=told.append)["good", 0]
    assert sorted(found) == ["2", "4"]
    assert all(0 < value["psnr"] < 60 and -1 <= value["ssim"] <= 1 for value in found.values())
    assert (work / "DegFlow_noise_0.log").read_bytes() == log


def test_mistakes_are_found_before_anything_is_trained(setting: Setting, tmp_path: Path) -> None:
    def planned(*words: str) -> downstream.Runs:
        common = ["--pairs", str(setting.pairs), "--layout", "pattern", "--pattern", str(setting.pattern)]
        common += ["--train", "000-001", "--test", "002", "--work", str(tmp_path / "work")]
        return downstream.planned(downstream.parser().parse_args([*common, *words]))

    noiseless = write_camera(tmp_path / "noiseless.safetensors", noise=False)
    scales = ["--train-scales", "2", "4", "--pair-scales", "2", "4", "--scales", "2"]
    assert list(planned(*scales, "--kinds", "bicubic", TRUE_PAIRS)) == [
        (kind, seed) for seed in (0, 1) for kind in ("bicubic", TRUE_PAIRS)
    ]
    for words, message in (
        ((*scales[:-1], "3"), "bicubic_0: .*expected pairs at scale 3"),
        ((*scales, "--bundle", noiseless), "DegFlow_noise_0: expected noise of 0"),
        ((*scales, "--bundle", "nowhere.safetensors"), r"nowhere\.safetensors"),
        ((*scales, "--seeds", "0"), "seeds"),
        ((*scales, "--test", "007"), "007"),
    ):
        with pytest.raises((ValueError, OSError), match=message):
            planned(*words)
    assert not (tmp_path / "work").exists()
