"""``degflow train`` and ``degflow test`` on super-resolution: mistakes found before a run, and after an earlier one."""

from __future__ import annotations

import copy
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from helpers.photographs import photograph
from helpers.tiny_sr import LIIF, sr_options

from degflow_aug import compat
from degflow_aug.cli import main
from degflow_aug.files.image_file import write_image

pytestmark = pytest.mark.skipif(not compat.has_basicsr(), reason="BasicSR is not installed")

PSNR = {"type": "calculate_psnr", "crop_border": 0, "test_y_channel": False}


@pytest.fixture(autouse=True)
def fresh_logger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """BasicSR keeps its first log file for the whole process."""
    monkeypatch.chdir(tmp_path)
    yield
    import logging

    from basicsr.utils import logger

    logger.initialized_logger.clear()
    for handler in list(logging.getLogger("basicsr").handlers):
        logging.getLogger("basicsr").removeHandler(handler)


def options(root: Path, kind: str = "arbitrary", iterations: int = 4, **degflow: Any) -> dict[str, Any]:
    """A training with a validation at x2, whose key is a number."""
    opt = sr_options(kind, root, iterations=iterations, **degflow)
    (root / "lr").mkdir(exist_ok=True)
    for file in sorted((root / "hr").glob("*.png")):
        write_image(root / "lr" / file.name, photograph(0, 24, 24))
    opt["datasets"]["val"] = {
        "name": "pairs", "type": "AnyScalePairDataset", "layout": "folders", "dataroot_gt": str(root / "hr"),
        "lq": {2: str(root / "lr")},
    }  # fmt: skip
    opt["val"] = {"val_freq": 100, "save_img": False, "metrics": {"psnr": dict(PSNR)}}
    return opt


def change(opt: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """``train__optim_g__lr=3`` replaces that option, None removes it."""
    for keys, value in changes.items():
        *sections, last = keys.split("__")
        section = opt
        for name in sections:
            section = section.setdefault(name, {})
        section[last] = value
        if value is None:
            del section[last]
    return opt


def run(opt: dict[str, Any], *arguments: str, command: str = "train") -> int:
    """The command on an option file in the working directory."""
    Path("run.yml").write_text(yaml.safe_dump(opt, sort_keys=False))
    return main([command, "-opt", "run.yml", *arguments])


def states(name: str = "arbitrary") -> list[str]:
    """The training states of the experiment."""
    return sorted(path.name for path in Path("experiments", name, "training_states").glob("*.state"))


def as_test(opt: dict[str, Any], weights: Path) -> dict[str, Any]:
    """The option file of a test of the same network and validation set."""
    opt = copy.deepcopy(opt)
    for key in ("train", "degradation", "logger"):
        opt.pop(key, None)
    opt["datasets"] = {"test_1": opt["datasets"]["val"]}
    opt["path"] = {"pretrain_network_g": str(weights)}
    opt["val"].pop("val_freq")
    return opt


def test_keys_that_are_numbers_in_training_and_in_testing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    opt = options(tmp_path, iterations=1)
    assert run(opt) == 0
    capsys.readouterr()
    opt = as_test(opt, Path("experiments/arbitrary/models/net_g_latest.pth"))
    opt["datasets"]["test_1"] |= {"layout": "pattern", "dataroot_gt": str(tmp_path)}
    opt["datasets"]["test_1"].pop("lq")
    opt["datasets"]["test_1"]["pattern"] = {"hr": "hr/{id}.png", "views": {2: "lr/{id}.png"}}
    assert run(opt, command="test") == 0
    assert "Validation pairs" in capsys.readouterr().out


DEEP = {"n_resblocks": 10**8, "n_feats": 8}
RRDB = {"type": "RRDBNet", "num_in_ch": 3, "num_out_ch": 3, "num_feat": 8, "num_block": 1, "num_grow_ch": 4, "scale": 2}
VGG = {"type": "PerceptualLoss", "layer_weights": {"conv5_4": 1}}
GAN = {"type": "GANLoss", "gan_type": "vanilla"}
MISTAKES: list[tuple[str, dict[str, Any], str]] = [
    ("arbitrary", {"train__pixel_opt__weight": 1}, "unexpected keyword argument 'weight'; did you mean 'loss_weight'"),
    ("arbitrary", {"train__pixel_opt__reduction": "none"}, "mean or sum in train.pixel_opt.reduction, got 'none'"),
    ("fixed", {"network_g__num_feats": 1}, "unknown key 'num_feats' in network_g; did you mean 'num_feat'"),
    ("fixed", {"network_g__num_feat": "x"}, "expected a whole number from 1 to 65536 in network_g.num_feat, got 'x'"),
    ("fixed", {"network_g": None}, "expected a section network_g in run.yml, got None"),
    ("fixed", {"network_g__upscale": 4}, "an image of 32x32 for LR of 16x16 from EDSR in network_g, got"),
    ("fixed", {"network_g": RRDB, "datasets__train__gt_size": 30}, "multiple of 4, because RRDBNet takes LR of a mult"),
    ("arbitrary", {"network_g__imnet_spec": "mlp"}, "imnet_spec"),
    ("arbitrary", {"train__optim_g__type": "Adan"}, "type out of Adam, AdamW, SGD, AdamW8bit, got 'Adan'"),
    ("gan", {"train__gan_opt__gan_type": None}, "missing a required argument: 'gan_type'"),
    ("gan", {"train__net_d_iters": 0}, "whole number from 1 to 1000000000 in train.net_d_iters, got 0"),
    ("arbitrary", {"datasets__train__batch_size_per_gpu": 0}, "from 1 to 65536 in datasets.train.batch_size_per_gpu"),
    ("arbitrary", {"datasets__train__num_worker_per_gpu": "x"}, "from 0 to 1024 in datasets.train.num_worker_per_gpu"),
    ("arbitrary", {"datasets__train__dataset_enlarge_ratio": 0}, "above 0, .* in datasets.train.dataset_enlarge_ratio"),
    ("arbitrary", {"val__val_freq": 0}, "from 1 to 1000000000 in val.val_freq, got 0"),
    ("arbitrary", {"datasets__val__name": None}, "expected a name in datasets.val, without slashes, got None"),
    ("arbitrary", {"datasets__val_2": {"name": "pairs", "type": "X"}}, "got 'pairs', as in datasets.val"),
    ("arbitrary", {"name": "n" * 230}, "expected a name of at most 229 bytes, got one of 230"),
    ("arbitrary", {"name": "é" * 115}, "expected a name of at most 229 bytes, got one of 230"),
    ("arbitrary", {"name": "a/b"}, "name of a folder, without slashes, got 'a/b'"),
    ("arbitrary", {"datasets__train": None}, "expected a section datasets.train in run.yml"),
    ("arbitrary", {"datasets__train_2": {"name": "x"}}, "got datasets.train_2"),
    ("arbitrary", {"datasets__val__type": "HRCropDataset"}, "LR images in datasets.val, got HRCropDataset"),
    ("arbitrary", {"val__best": {"metric": "psnr", "scale": 4}}, "among the scales of pairs .2., got 4"),
    ("arbitrary", {"train__pixel_opt__loss_weight": "x"}, "a number .* in train.pixel_opt.loss_weight, got 'x'"),
    ("arbitrary", {"train__optim_g__betas": [2, 3]}, "from 0 to below 1 in train.optim_g.betas, got 2"),
    ("gan", {"train__optim_d__lr": None}, "expected lr in train.optim_d, got none; add it"),
    ("gan", {"train__gan_opt__gan_type": "vanila"}, "GAN type vanila is not implemented"),
    ("arbitrary", {"degradation": {"type": "DegFlow", "bundle": "simulator", "steps": 0}}, "in degradation.steps"),
    ("arbitrary", {"val__metrics__psnr__test_y_channel": "false"}, "true or false in val.metrics.psnr.test_y_channel"),
    ("arbitrary", {"val__save_img": "false"}, "expected true or false in val.save_img, got 'false'; write it without"),
    ("arbitrary", {"path__strict_load_g": "no"}, "expected true or false in path.strict_load_g, got 'no'"),
    ("arbitrary", {"train__scheduler__milestones": ["1"]}, "a whole number .* in train.scheduler.milestones, got '1'"),
    ("arbitrary", {"train__scheduler__gamma": "half"}, "a number .* in train.scheduler.gamma, got 'half'"),
    ("arbitrary", {"train__scheduler__restarts": [0, 2]}, "as many train.scheduler.restart_weights as restarts"),
    ("arbitrary", {"train__scheduler": {"type": "Step"}}, "train.scheduler.type out of MultiStepLR"),
    ("arbitrary", {"train__total_iter": float("inf")}, "a whole number .* in train.total_iter, got inf"),
    ("arbitrary", {"train__ema_decay": {}}, "a number from 0 to below 1 in train.ema_decay, got {}"),
    ("arbitrary", {"datasets__train__num_worker_per_gpu": 10**5}, "from 0 to 1024 in datasets.train.num_worker_per"),
    ("arbitrary", {"datasets__train__cache_mb": "2048"}, "in datasets.train.cache_mb, got '2048'; write it without"),
    ("arbitrary", {"logger__wandb": {"resume_id": "x"}}, "expected logger.wandb.project with its resume_id, got none"),
    ("arbitrary", {"logger__wandb": {"project": "x"}}, "expected logger.use_tb_logger: true with logger.wandb"),
    ("arbitrary", {"network_g__local_ensemble": "false"}, "true or false in network_g.local_ensemble, got 'false'"),
    ("arbitrary", {"network_g__encoder_spec": {"name": "edsr-baseline", "args": DEEP}}, "; lower n_resblocks, 1000"),
    ("fixed", {"network_g": {**RRDB, "num_in_ch": 1}}, "takes images of 3 channels and 16x16 pixels, got RRDB"),
    ("fixed", {"network_g": {**RRDB, "num_out_ch": 1}}, "give it the scale 2 of the options, and 3 channels"),
    ("fixed", {"network_g__res_scale": "0.1"}, "a number in network_g.res_scale, got '0.1'"),
    ("gan", {"network_d__num_in_ch": 1}, "a network in network_d that takes images of 3 channels and 32x32 pixels"),
    ("gan", {"network_d": {"type": "VGGStyleDiscriminator", "num_in_ch": 3, "num_feat": 4}}, "in network_d .* 32x32"),
    ("arbitrary", {"path__pretrain_network_g": "none.pth"}, "a checkpoint at none.pth .*, got no such file"),
    ("gan", {"path__pretrain_network_d": "none.pth"}, "a checkpoint at none.pth .*, got no such file"),
    ("arbitrary", {"network_g__imnet_spec": {"name": "mlp", "args": {"hidden_list": [8]}, "Args": {}}}, "imnet_spec"),
    ("gan", {"train__perceptual_opt": {**VGG, "layer_weights": {"conv5": 1}}}, "'conv5' in .*; did you mean 'conv5_"),
    ("gan", {"train__perceptual_opt": {**VGG, "style_weights": 1}}, "did you mean 'style_weight'"),
    ("gan", {"train__perceptual_opt": {**VGG, "vgg_type": "vgg20"}}, "expected vgg_type out of vgg11, .*, got 'vgg20'"),
    ("gan", {"train__perceptual_opt": {**VGG, "criterion": "l2"}}, "criterion l1 or fro in .* and 'l2'"),
    ("arbitrary", {"val__suffix": "a"}, "no val.suffix in training, which names images otherwise, got 'a'"),
    ("fixed", {"train__pixel_opt": GAN}, "expected one loss of two images, .* in train.pixel_opt, got GANLoss"),
    ("fixed", {"train__perceptual_opt": GAN}, "expected one loss of two images, .* in train.perceptual_opt, got GANL"),
    ("fixed", {"train__ldl_opt": {**GAN, "type": "MultiScaleGANLoss"}}, "in train.ldl_opt, got MultiScaleGANLoss"),
    ("fixed", {"train__pixel_opt": {"type": "WeightedTVLoss"}}, "in train.pixel_opt, got WeightedTVLoss"),
    ("fixed", {"train__pixel_opt": VGG}, "in train.pixel_opt, got PerceptualLoss"),
    ("gan", {"train__gan_opt": {"type": "L1Loss"}}, "what a discriminator says, .* in train.gan_opt, got L1Loss"),
    ("fixed", {"train__pixel_opt__loss_weight": 0}, "a weight above 0 in train.pixel_opt, got none; nothing would be"),
    ("gan", {"train__pixel_opt__loss_weight": 0, "train__gan_opt__loss_weight": 0}, "train.pixel_opt or train.gan_opt"),
    ("fixed", {"train__perceptual_opt": {"type": "LPIPSLoss"}}, "unit_range: true in train.perceptual_opt, whose imag"),
    ("fixed", {"path__ignore_resume_networks": ["network_G"]}, "names out of network_g in .*, got 'network_G'"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "changes", "sentence"), MISTAKES)
def test_a_mistake_is_one_sentence_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, changes: dict[str, Any], sentence: str
) -> None:
    assert run(change(options(tmp_path, kind), **changes)) == 2
    said = capsys.readouterr().err.splitlines()
    assert re.fullmatch(f"degflow: .*{sentence}.*", said[-1]), said[-1]
    assert len(said) == 1
    assert not Path("experiments").exists()


EXACT = {"type": "calculate_psnr_interflow"}
PAIRS = {"io_backend": {"type": "disk"}, "use_hflip": True, "use_rot": True}
OF_BASICSR: list[tuple[str, dict[str, Any], str]] = [
    *[(model, {part: None}, f"expected {part.replace('__', '.')} for {model}, got none; add it or use SRModel")
      for model in ("SRGANModel", "ESRGANModel", "RealESRGANModel", "StyleGAN2Model")
      for part in ("network_d", "train__gan_opt", "train__optim_d")],
    ("SRModel", {"network_g": None}, "expected a section network_g in run.yml, got None"),
    ("SRModel", {"scale": None}, "expected scale at the top of the option file"),
    *[("SRModel", {f"datasets__train__{key}": None}, f"expected {key} in datasets.train")
      for key in ("io_backend", "gt_size", "use_hflip", "use_rot", "dataroot_gt")],
    ("SRModel", {"val__metrics__psnr__crop_border": None}, "expected crop_border in val.metrics.psnr, got none"),
    ("SRModel", {"val__metrics__psnr__crop_border": 24}, "inside crop_border 24 .*, got an image of 48x48"),
    ("SRModel", {"val__metrics__psnr": {"type": "calculate_ssim", "crop_border": 19}}, "11x11 pixels .* 48x48"),
    ("SRModel", {"val__metrics__psnr": EXACT}, "a metric of 8-bit images in val.metrics.psnr, .* calculate_psnr_inte"),
    *[("SRModel", {f"datasets__{phase}__color": "y"}, f"; datasets.{phase} gives Y alone, see its color")
      for phase in ("train", "val")],
    *[(model, {"network_g": LIIF}, f"a network of a fixed scale in network_g for {model}, got LIIF; use Arbit")
      for model in ("SRModel", "ESRGANModel")],
    ("SRModel", {"datasets__val__color": "gray"}, "expected y or rgb in datasets.val.color, got 'gray'"),
    ("VideoRecurrentGANModel", {}, "the key fix_flow in run.yml, which BasicSR's VideoRecurrentGANModel reads"),
]  # fmt: skip


def of_basicsr(root: Path, model: str) -> dict[str, Any]:
    """The options of a model of BasicSR's, with a discriminator, on its own data set."""
    opt = options(root, "gan")
    opt["model_type"] = model
    for phase in ("train", "val"):
        pairs = {"type": "PairedImageDataset", "dataroot_lq": str(root / "lr"), **PAIRS}
        opt["datasets"][phase] |= {"dataroot_gt": str(root / "hr"), **pairs}
    for key in ("layout", "lq"):
        opt["datasets"]["val"].pop(key)
    return change(opt, degradation=None, degflow=None)


def test_a_discriminator_that_nobody_trains_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from degflow_aug.files import notice
    from degflow_aug.models.checks.training_options import check_training_options

    monkeypatch.setattr(notice, "_SAID", set())
    for model in ("SRModel", "ESRGANModel"):
        caplog.clear()
        check_training_options(of_basicsr(tmp_path, model), "run.yml")
        assert ("SRModel trains no discriminator" in caplog.text) is (model == "SRModel")


@pytest.mark.parametrize(("changes", "said"), [
    ({"datasets__val": None}, "there is no datasets.val: the section val has no effect"),
    ({"val__metrics": None}, "val has neither metrics nor save_img"),
    ({"val": None}, "there is no section val: nothing is validated"),
    ({"val__metrics": None, "val__save_img": True}, ""), ({}, ""),
])  # fmt: skip
def test_a_validation_of_nothing_is_said(
    tmp_path: Path, changes: dict[str, Any], said: str, caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from degflow_aug.files import notice
    from degflow_aug.models.checks.training_options import check_training_options

    monkeypatch.setattr(notice, "_SAID", set())
    check_training_options(change(options(tmp_path, "fixed"), **changes), "run.yml")
    assert len(caplog.records) == bool(said)
    assert said in caplog.text


@pytest.mark.parametrize(("model", "changes", "sentence"), OF_BASICSR)
def test_what_models_of_basicsr_need_is_one_sentence_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], model: str, changes: dict[str, Any], sentence: str
) -> None:
    assert run(change(of_basicsr(tmp_path, model), **changes)) == 2
    said = capsys.readouterr().err.splitlines()
    assert re.fullmatch(f"degflow: .*{sentence}.*", said[-1]), said[-1]
    assert not Path("experiments").exists()


@pytest.mark.parametrize(("section", "value"), [
    ({"type": "calculate_niqe", "crop_border": 0, "better": "lower"}, True),
    ({"type": "calculate_psnr", "crop_border": 0}, False),
])  # fmt: skip
def test_basicsr_gives_a_metric_what_it_takes(section: dict[str, Any], value: bool) -> None:
    compat.patch_training()
    from basicsr.models.sr_model import calculate_metric

    image = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    if value:
        assert calculate_metric({"img": image, "img2": image}, section) == calculate_metric({"img": image}, section)
        return
    with pytest.raises(ValueError, match="expected true images for calculate_psnr"):
        calculate_metric({"img": image}, section)


def test_files_without_a_mistake_are_accepted(tmp_path: Path) -> None:
    from degflow_aug.models.checks.training_options import check_training_options

    good: list[tuple[str, dict[str, Any]]] = [
        ("fixed", {"network_g": RRDB}), ("fixed", {"val__best": {"metric": "psnr"}}),
        ("arbitrary", {"val__best": {"metric": "psnr", "scale": 2.0}}),
        ("arbitrary", {"train__optim_g": {"type": "SGD", "lr": 1, "momentum": 0.9}, "val__val_freq": 5e3}), ("gan", {}),
    ]  # fmt: skip
    for kind, changes in good:
        check_training_options(change(options(tmp_path, kind), **changes), "run.yml")
    check_training_options({**options(tmp_path, "fixed"), "network_d": None}, "run.yml")


def test_a_gray_network_is_found_before_a_test(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"params": {}}, "gray.pth")
    opt = change(as_test(options(tmp_path, "fixed"), Path("gray.pth")), network_g={**RRDB, "num_in_ch": 1})
    assert run(opt, command="test") == 2
    assert "takes images of 3 channels" in capsys.readouterr().err
    assert not Path("results").exists()


def test_packages_that_the_logger_wants_are_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for package, logger in (("wandb", {"wandb": {"project": "p"}}), ("tensorboard", {})):
        monkeypatch.setitem(sys.modules, package, None)
        opt = change(options(tmp_path), logger={**options(tmp_path)["logger"], "use_tb_logger": True, **logger})
        assert run(opt) == 2
        assert f"expected {package} for logger." in capsys.readouterr().err
        assert not Path("experiments").exists()


def test_a_part_that_a_checkpoint_lacks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    opt = options(tmp_path, iterations=1)
    assert run(opt) == 0
    weights = Path("experiments/arbitrary/models/net_g_latest.pth").rename(tmp_path / "weights.pth")
    named = change(options(tmp_path, iterations=1), path__pretrain_network_g=str(weights), path__param_key_g="parms")
    assert run(named) == 2
    assert f"expected weights named 'parms' in {weights}" in capsys.readouterr().err.splitlines()[-1]
    named = change(as_test(opt, weights), path__param_key_g="parms")
    assert run(named, command="test") == 2
    assert f"expected weights named 'parms' in {weights}" in capsys.readouterr().err.splitlines()[-1]


def test_a_mistake_found_late_leaves_the_earlier_run_where_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    opt = options(tmp_path, iterations=2)
    assert run(opt) == 0
    assert states() == ["2.state"]
    torch.save({"params": {"other": torch.ones(1)}}, "other.pth")
    mistaken = change(options(tmp_path), path__pretrain_network_g="other.pth", path__strict_load_g=True)
    assert run(mistaken) == 2
    assert "expected weights of this LIIF in other.pth" in capsys.readouterr().err.splitlines()[-1]
    assert states() == ["2.state"]
    assert [path.name.split("_failed_")[0] for path in Path("experiments").iterdir()] == ["arbitrary", "arbitrary"]
    assert run(options(tmp_path, iterations=4), "--auto_resume") == 0
    assert states() == ["2.state", "4.state"]


def test_a_state_that_was_renamed_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(options(tmp_path, iterations=2)) == 0
    Path("experiments/arbitrary").rename("experiments/arbitrary_archived_20260101_000000")
    assert run(options(tmp_path, iterations=4), "--auto_resume") == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert "there are some in" in said
    assert "arbitrary_archived_20260101_000000" in said
    assert not Path("experiments/arbitrary").exists()


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_damaged_image_in_the_middle_is_one_sentence_and_loses_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], workers: int
) -> None:
    """The good steps before it are saved; with the image repaired the run ends as one that never met the damage."""

    def options_of(folder: Path) -> dict[str, Any]:
        opt = options(folder, iterations=9)
        opt["datasets"]["train"] |= {"num_worker_per_gpu": workers, "batch_size_per_gpu": 1, "cache_mb": 0}
        opt["datasets"]["train"]["dataset_enlarge_ratio"] = 3
        opt["datasets"].pop("val")
        opt.pop("val")
        opt["logger"]["save_checkpoint_freq"] = 100
        return opt

    whole = change(options_of(tmp_path), name="whole")
    assert run(whole) == 0
    image = sorted((tmp_path / "hr").glob("*.png"))[1]
    content = image.read_bytes()
    image.write_bytes(content[: len(content) // 2])
    capsys.readouterr()
    assert run(options_of(tmp_path)) == 2
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("degflow:")]
    assert len(said) == 1
    assert str(image) in said[0]
    assert "Traceback" not in said[0]
    assert "Caught" not in said[0]
    saved = [int(name.removesuffix(".state")) for name in states()]
    image.write_bytes(content)
    assert run(options_of(tmp_path), "--auto_resume") == 0
    ends = [
        torch.load(Path("experiments", name, "models", "net_g_latest.pth"), weights_only=True)["params_ema"]
        for name in ("whole", "arbitrary")
    ]
    assert all(torch.equal(ends[0][key], ends[1][key]) for key in ends[0])
    assert saved
    assert 0 < saved[0] < 9


@pytest.mark.parametrize("earlier", [False, True], ids=["", "state of an earlier version"])
@pytest.mark.parametrize(
    ("kind", "changes", "sentences"),
    [
        ("arbitrary", {"train__optim_g": {"type": "SGD", "lr": 1e-3}}, ("train.optim_g.type", "type of optimiser")),
        ("arbitrary", {"train__optim_g": {"type": "AdamW", "lr": 1e-3}}, ("train.optim_g.type", "type of optimiser")),
        (
            "gan",
            {"model_type": "DegradedSRModel", **dict.fromkeys(("network_d", "train__gan_opt", "train__optim_d"))},
            ("model_", "1 optimis"),
        ),
    ],
)
def test_resuming_with_other_options_is_one_sentence(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    kind: str,
    changes: dict[str, Any],
    sentences: tuple[str, str],
    earlier: bool,
) -> None:
    assert run(options(tmp_path, kind, iterations=2)) == 0
    if earlier:
        for path in Path("experiments").rglob("*.state"):
            torch.save({**torch.load(path, weights_only=True), "run": None}, path)
    before = {path: path.read_bytes() for path in Path("experiments").rglob("*.*") if path.suffix in (".state", ".pth")}
    capsys.readouterr()
    assert run(change(options(tmp_path, kind), **changes), "--auto_resume") == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("degflow: expected a training state of " if earlier else f"degflow: expected {sentences[0]}")
    assert sentences[earlier] in said
    assert {path: path.read_bytes() for path in before} == before


def test_a_late_mistake_of_a_run_that_goes_on_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(options(tmp_path, iterations=2)) == 0
    opt = options(tmp_path)

    def broken(*_: object) -> None:
        raise AssertionError("of a class that nobody has looked at")

    monkeypatch.setattr("degflow_aug.models.sr.degraded_model.SRLosses", broken)
    capsys.readouterr()
    assert run(opt, "--auto_resume") == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("degflow: expected options that BasicSR can train with in run.yml, got AssertionError: ")
    monkeypatch.setenv("DEGFLOW_TRACEBACK", "1")
    with pytest.raises(ValueError, match="AssertionError") as caught:
        run(opt, "--auto_resume")
    assert isinstance(caught.value.__cause__, AssertionError)
    assert states() == ["2.state"]
