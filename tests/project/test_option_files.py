"""Every option file is read, checked, trained for four iterations, stopped, and resumed, on images made here."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import yaml
from helpers.random_networks import random_noise, random_rae, random_velocity
from helpers.tiny_backbones import write_vgg, write_vgg19
from helpers.tiny_camera import write_pairs

import degflow_aug
from degflow_aug.bundles.bundle import Bundle, GeneratorSpec, load_bundle, save_bundle
from degflow_aug.metrics.lpips_loss import VGG_FILE
from degflow_aug.options.basicsr_sections import check_basicsr_options
from degflow_aug.options.sections import read_options
from degflow_aug.options.yaml_file import load_yaml

FOLDER = Path(__file__).resolve().parents[2] / "basicsr_options"
FILES = sorted(FOLDER.glob("*.yml"))
STAGES = ("rae", "lfm", "refine", "distill", "test")
SUPER_RESOLUTION = [
    file for file in FILES if file.stem.split("_")[0] not in ("rae", "lfm", "refine", "distill", "test", "onestep")
]
SCALES = (2.0, 2.9, 4.0)
VGG19_FILE = "vgg19-dcbb9e9d.pth"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_keys_are_known(file: Path) -> None:
    pytest.importorskip("basicsr", reason="option files are BasicSR's")
    degflow_aug.register()
    from basicsr.utils.registry import MODEL_REGISTRY

    opt = load_yaml(file)
    check_basicsr_options(opt)
    read_options(get_type_hints(MODEL_REGISTRY.get(opt["model_type"]))["options"], opt.get("degflow") or {}, "degflow")
    assert opt["name"] == file.stem
    if "periods" in opt.get("train", {}).get("scheduler", {}):
        assert opt["train"]["total_iter"] == opt["train"]["scheduler"]["periods"][0]


@pytest.fixture(scope="module", autouse=True)
def vgg_weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """torchvision's cache with random weights of VGG16, for LPIPS, and VGG19, for BasicSR's perceptual loss."""
    home = tmp_path_factory.mktemp("torch")
    cache = home / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    write_vgg(cache / VGG_FILE)
    write_vgg19(cache / VGG19_FILE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCH_HOME", str(home))
        yield home


def run(command: str, opt: dict[str, Any], folder: Path, *flags: str) -> str:
    """``degflow COMMAND`` on the options, in ``folder``; what it printed."""
    file = folder / f"{opt['name']}.yml"
    file.write_text(yaml.safe_dump(opt, sort_keys=False), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "degflow_aug", command, "-opt", str(file), *flags],
        cwd=folder, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout + done.stderr


def on_pairs(opt: dict[str, Any], pairs: Path, pattern: dict[str, Any]) -> dict[str, Any]:
    """The same file on small pairs, for four iterations on the CPU."""
    places = [*opt["datasets"].values()]
    places += [section[key] for section in places for key in ("real", "hr") if key in section]
    for section in places:
        if "dataroot_gt" in section:
            section |= {"dataroot_gt": str(pairs), "layout": "pattern", "pattern": pattern}
        for key in ("split", "cameras", "scenes"):
            section.pop(key, None)
    opt["num_gpu"] = 0
    if "train" in opt:
        opt["datasets"]["train"] |= {"batch_size_per_gpu": 2, "num_worker_per_gpu": 0}
        opt["train"] |= {"total_iter": 4}
        opt["val"] |= {"val_freq": 4}
        opt["logger"] |= {"print_freq": 1, "save_checkpoint_freq": 2, "use_tb_logger": False}
    return opt


RESUMES = pytest.mark.parametrize("resumes", [False, pytest.param(True, marks=pytest.mark.slow)])


@RESUMES
@pytest.mark.parametrize("recipe", ["city100", "realsr_paper"])
def test_all_stages_train(recipe: str, resumes: bool, tmp_path: Path) -> None:
    pytest.importorskip("basicsr", reason="training needs BasicSR")
    stages = [stage for stage in ("rae", "lfm", "refine", "distill") if (FOLDER / f"{stage}_{recipe}.yml").is_file()]
    for stage in stages:
        opt = load_yaml(FOLDER / f"{stage}_{recipe}.yml")
        scales = tuple(float(knot) for knot in opt["degflow"]["knots"][1:])
        pairs = tmp_path / "pairs"
        opt = on_pairs(opt, pairs, load_yaml(write_pairs(pairs, scales=scales)))
        opt["datasets"]["train"]["gt_size"] = 64
        for network in (opt["network_g"], opt["network_g"].get("rae"), opt["network_g"].get("velocity")):
            if network and network.get("type") != "DegFlowGenerator":
                wide = {"condition_channels": 96} if network.get("condition_channels") else {}
                network |= {"base_channels": 8, **wide}
        if stage == "refine":
            opt["datasets"]["train"]["gt_size"] += 2 * opt["degflow"]["crop_margin"]
        assert "psnr" in run("train", opt, tmp_path)
        experiment = tmp_path / "experiments" / opt["name"]
        assert (experiment / "models/net_g_latest.pth").is_file()
        if resumes:
            opt["train"]["total_iter"] = 6
            assert "Resuming training from epoch" in run("train", opt, tmp_path, "--auto_resume")
            assert (experiment / "training_states/6.state").is_file()
        if stage != "rae":
            bundle = load_bundle(experiment / "models" / "generator_latest.safetensors")
            assert bundle.spec.velocity["end_time"] == (stage == "distill")
    assert len(stages) == {"city100": 4, "realsr_paper": 2}[recipe]


@pytest.fixture(scope="module")
def camera(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A folder with pairs at 2, 2.9 and 4 and a bundle of random weights, and the pattern of the pairs."""
    folder = tmp_path_factory.mktemp("camera")
    pattern = load_yaml(write_pairs(folder / "pairs", scales=SCALES))
    rae, velocity = random_rae(), random_velocity()
    spec = GeneratorSpec(rae=rae.spec, velocity=velocity.spec, knots=(1.0, 2.0, 4.0), s_max=4.0)
    save_bundle(folder / "camera.safetensors", Bundle(spec, rae, velocity, noise=[random_noise().state_dict()]))
    return folder, pattern


NETWORKS: dict[str, dict[str, Any]] = {
    "LIIF": {
        "encoder_spec": {"name": "edsr-baseline", "args": {"n_resblocks": 1, "n_feats": 8}},
        "imnet_spec": {"name": "mlp", "args": {"hidden_list": [16]}},
    },
    "RRDBNet": {"num_feat": 8, "num_block": 1, "num_grow_ch": 4},
    "SwinIR": {"depths": [2], "num_heads": [2], "embed_dim": 12, "img_size": 8, "window_size": 4},
}


def narrow(opt: dict[str, Any], camera: Path) -> dict[str, Any]:
    """The same file with a small network, small patches, and the bundle of random weights."""
    opt["network_g"] |= NETWORKS[opt["network_g"]["type"]]
    for section in (opt.get("degradation") or {}, *(opt.get("degradation") or {}).get("parts", ())):
        if section.get("type") == "DegFlow":
            section["bundle"] = str(camera / "camera.safetensors")
    train = opt["datasets"].get("train")
    if opt["model_type"] == "ArbitraryScaleSRModel" and train:
        opt["degflow"] |= {"lr_size": 16, "queries": 64}
        train["gt_size"] = 64
        if "lr_size" in train:
            train["lr_size"] = 16
            train["real"]["scales"] = [2.9]
    elif train:
        train["gt_size"] = 64
    opt.get("degflow", {})["preview_freq"] = 2
    if "val" in opt["datasets"] and "scale" in opt["val"]["best"]:
        opt["datasets"]["val"]["scales"] = [opt["val"]["best"]["scale"]]
    return opt


def as_a_gan(opt: dict[str, Any], pairs: Path) -> dict[str, Any]:
    """From its start, with a narrow discriminator, on patches of the one size that it takes."""
    write_pairs(pairs, scales=SCALES, size=144)
    opt["path"]["pretrain_network_g"] = None
    opt["network_d"]["num_feat"] = 4
    opt["datasets"]["train"] |= {"gt_size": 128, "dataroot_gt": str(pairs)}
    return opt


@RESUMES
@pytest.mark.parametrize("file", SUPER_RESOLUTION, ids=lambda file: file.stem)
def test_trains_validates_and_saves(
    file: Path, resumes: bool, camera: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    pytest.importorskip("basicsr", reason="training needs BasicSR")
    folder, pattern = camera
    opt = narrow(on_pairs(load_yaml(file), folder / "pairs", pattern), folder)
    opt = as_a_gan(opt, tmp_path / "pairs") if opt.get("network_d") else opt
    said = run("train", opt, tmp_path)
    experiment = tmp_path / "experiments" / opt["name"]
    assert "degradation_share" in said
    assert {"net_g_4.pth", "net_g_latest.pth", "net_g_best.pth"} <= {path.name for path in experiment.glob("models/*")}
    assert (experiment / "visualization/preview/0000002.png").is_file()
    assert list(experiment.glob("validation/*_4.json"))
    if resumes:
        opt["train"]["total_iter"] = 6
        assert "Resuming training from epoch" in run("train", opt, tmp_path, "--auto_resume")
        assert (experiment / "training_states/6.state").is_file()


@pytest.mark.parametrize("scales", [(2.9,), (2.0,), (1.5, 2.0, 3.0), (2.0, 4.0, 6.0)])
def test_the_first_file_fits_the_pairs_that_one_has(
    scales: tuple[float, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As ``degflow options`` prints it, beside what ``degflow align`` and ``degflow fit`` have made."""
    pytest.importorskip("basicsr", reason="option files are BasicSR's")
    degflow_aug.register()
    from degflow_aug.models.arbitrary_scale_sr_model import ArbitraryScaleSRModel
    from degflow_aug.models.checks.training_options import check_training_options

    write_pairs(tmp_path / "my_pairs", scales=scales, size=144)
    rae, velocity = random_rae(), random_velocity()
    spec = GeneratorSpec(rae=rae.spec, velocity=velocity.spec, knots=(1.0, *scales), s_max=scales[-1])
    save_bundle(tmp_path / "camera.safetensors", Bundle(spec, rae, velocity, noise=[random_noise().state_dict()]))
    monkeypatch.chdir(tmp_path)
    opt = load_yaml(FOLDER / "liif_cpu.yml")
    check_training_options(opt, "liif_cpu.yml")
    assert ArbitraryScaleSRModel.read(opt).scale_range == (1.0, min(scales[-1], 4.0))


def test_evaluation_only(camera: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    pytest.importorskip("basicsr", reason="training needs BasicSR")
    folder, pattern = camera
    training = narrow(on_pairs(load_yaml(FOLDER / "liif_bicubic.yml"), folder / "pairs", pattern), folder)
    run("train", training, tmp_path)
    opt = narrow(on_pairs(load_yaml(FOLDER / "test_liif.yml"), folder / "pairs", pattern), folder)
    opt["path"]["pretrain_network_g"] = opt["path"]["pretrain_network_g"].replace("liif_degflow", "liif_bicubic")
    said = run("test", opt, tmp_path)
    for name in ("City100", "RealArbiSR"):
        (results,) = (tmp_path / "results").rglob(f"validation/{name}_*.json")
        found = load_yaml(results)["scales"]
        assert [float(scale) for scale in found] == list(SCALES)
        assert f"{found['2.9']['psnr']:.4f}" in said
