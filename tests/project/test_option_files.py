"""Every option file is read, checked, trained for four iterations, stopped, and resumed, on images made here."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import pytest
import torch
import yaml
from helpers.named_datasets import write_named_datasets
from helpers.random_networks import random_noise, random_rae, random_velocity
from helpers.tiny_backbones import write_vgg, write_vgg19
from helpers.tiny_camera import write_pairs

import degflow_aug
from degflow_aug.bundles.bundle import Bundle, GeneratorSpec, load_bundle, save_bundle
from degflow_aug.data.tensors import to_array
from degflow_aug.files.image_file import read_image
from degflow_aug.files.run_history import HISTORY, read_history
from degflow_aug.metrics.lpips_loss import VGG_FILE
from degflow_aug.options.basicsr_sections import check_basicsr_options
from degflow_aug.options.sections import read_options
from degflow_aug.options.yaml_file import load_yaml

FOLDER = Path(__file__).resolve().parents[2] / "basicsr_options"
FILES = sorted(FOLDER.glob("*.yml"))
STAGES = ("rae", "lfm", "refine", "distill")
# Those of one step train in tests/onestep/test_training.py.
SUPER_RESOLUTION = [file for file in FILES if file.stem.split("_")[0] not in (*STAGES, "test", "onestep")]
VGG19_FILE = "vgg19-dcbb9e9d.pth"
# What each step logs beside the total; of files that are not here, the last.
LOSSES = {
    "rae_city100": "pixel kl",
    "lfm_city100": "velocity",
    "refine_city100": "image",
    "distill_city100": "latent image",
    "rae_realsr_paper": "pixel",
    "lfm_realsr_paper": "velocity lpips",
    "esrgan_x4_degflow": "l_pix l_percep l_g_gan l_d_real l_d_fake out_d_real out_d_fake degradation_share",
}
SR_LOSSES = "l_pix degradation_share"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_keys_are_known(file: Path) -> None:
    pytest.importorskip("basicsr", reason="option files are BasicSR's")
    degflow_aug.register()
    from basicsr.utils.registry import MODEL_REGISTRY

    opt = load_yaml(file)
    model = MODEL_REGISTRY.get(opt["model_type"])
    check_basicsr_options(opt, model.option_keys)
    read_options(get_type_hints(model)["options"], opt.get("degflow") or {}, "degflow")
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


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What option files name: small data sets, and a camera of random weights."""
    folder = tmp_path_factory.mktemp("named")
    write_named_datasets(folder)
    rae, velocity = random_rae(), random_velocity()
    spec = GeneratorSpec(rae=rae.spec, velocity=velocity.spec, knots=(1.0, 2.0, 4.0), s_max=4.0)
    save_bundle(folder / "camera.safetensors", Bundle(spec, rae, velocity, noise=[random_noise().state_dict()]))
    return folder


@pytest.fixture
def project(named: Path, tmp_path: Path) -> Path:
    """A working directory where the files' own paths lead to something."""
    for each in named.iterdir():
        (tmp_path / each.name).symlink_to(each)
    return tmp_path


# The only keys that differ from a file as it ships: sizes of networks and patches, and how much is done how often.
SMALL: dict[str, Any] = {
    "num_gpu": 0, "num_worker_per_gpu": 0, "batch_size_per_gpu": 2, "total_iter": 4, "val_freq": 4, "print_freq": 1,
    "save_checkpoint_freq": 2, "preview_freq": 2, "base_channels": 8, "condition_channels": 96,
    "n_resblocks": 1, "n_feats": 8, "hidden_list": [16], "num_feat": 8, "num_block": 1, "num_grow_ch": 4,
    "depths": [2], "num_heads": [2], "embed_dim": 16, "img_size": 16, "num_group": 1, "squeeze_factor": 4,
    "imnet_q": [16], "imnet_k": [16], "imnet_v": [16],
}  # fmt: skip
LARGEST_PATCH, SMALL_LR = 128, 32


def small(section: Any) -> Any:
    """The same options with those sizes, where a file has the key."""
    if isinstance(section, list):
        return [small(each) for each in section]
    if not isinstance(section, dict):
        return section
    smaller = {key: SMALL.get(key, small(value)) for key, value in section.items()}
    for key, largest in (("gt_size", LARGEST_PATCH), ("lr_size", SMALL_LR)):
        if key in smaller:
            smaller[key] = min(smaller[key], largest)
    return smaller


def check_run(opt: dict[str, Any], folder: Path, resumes: bool) -> None:
    """Train, and then perhaps train on; every loss of the file is logged in each step."""
    said = run("train", opt, folder)
    experiment = folder / "experiments" / opt["name"]
    points = read_history(experiment / HISTORY).points
    losses = {"total", *LOSSES.get(opt["name"], SR_LOSSES).split()}
    assert [set(point.losses) for point in points] == [losses] * 4
    assert (experiment / "models/net_g_4.pth").is_file()
    assert (experiment / "models/net_d_4.pth").is_file() == ("network_d" in opt)
    assert "psnr" in said
    if resumes:
        opt["train"]["total_iter"] = 6
        assert "Resuming training from epoch" in run("train", opt, folder, "--auto_resume")
        assert (experiment / "training_states/6.state").is_file()


RESUMES = pytest.mark.parametrize("resumes", [False, pytest.param(True, marks=pytest.mark.slow)])


@RESUMES
@pytest.mark.parametrize("recipe", ["city100", pytest.param("realsr_paper", marks=pytest.mark.slow)])
def test_all_stages_train(recipe: str, resumes: bool, project: Path) -> None:
    pytest.importorskip("basicsr", reason="training needs BasicSR")
    stages = [stage for stage in STAGES if (FOLDER / f"{stage}_{recipe}.yml").is_file()]
    for stage in stages:
        opt = small(load_yaml(FOLDER / f"{stage}_{recipe}.yml"))
        check_run(opt, project, resumes)
        if stage != "rae":
            bundle = load_bundle(project / "experiments" / opt["name"] / "models/generator_latest.safetensors")
            assert bundle.spec.velocity["end_time"] == (stage == "distill")
    assert len(stages) == {"city100": 4, "realsr_paper": 2}[recipe]


def write_start(opt: dict[str, Any], folder: Path) -> dict[str, torch.Tensor]:
    """The checkpoint that a file starts from, as the run that it names would have left it."""
    from basicsr.archs import build_network

    degflow_aug.register()
    state = build_network(dict(opt["network_g"])).state_dict()
    file = folder / opt["path"]["pretrain_network_g"]
    file.parent.mkdir(parents=True)
    torch.save({"params_ema": state}, file)
    return dict(state)


PAPER = [file for file in SUPER_RESOLUTION if file.stem.endswith("_paper")]
RUNS = [
    *(pytest.param(file, False, id=file.stem) for file in SUPER_RESOLUTION if file not in PAPER),
    *(pytest.param(file, True, id=f"{file.stem}-resumes", marks=pytest.mark.slow)
      for file in SUPER_RESOLUTION if file not in PAPER),
    *(pytest.param(file, False, id=file.stem, marks=() if "rcan" in file.stem else pytest.mark.slow)
      for file in PAPER),
]  # fmt: skip


@pytest.mark.parametrize(("file", "resumes"), RUNS)
def test_trains_validates_and_saves(file: Path, resumes: bool, project: Path) -> None:
    pytest.importorskip("basicsr", reason="training needs BasicSR")
    opt = small(load_yaml(file))
    if "SpandrelNetwork" in str(opt["network_g"]):
        pytest.importorskip("spandrel", reason="the extra networks is not installed")
    opt["val"]["save_img"] = True
    start = write_start(opt, project) if opt["path"]["pretrain_network_g"] else {}
    check_run(opt, project, resumes)
    experiment = project / "experiments" / opt["name"]
    check_upscales(opt, experiment)
    # A few steps of 1e-4 do not lead far away.
    trained = torch.load(experiment / "models/net_g_2.pth", weights_only=True)[part_of(opt)]
    assert all((trained[key] - value).abs().max() < 1e-3 for key, value in start.items())
    assert (experiment / "models/net_g_best.pth").is_file() == ("best" in opt["val"])
    assert (experiment / "visualization/preview/0000002.png").is_file()
    assert list(experiment.glob("validation/*_4.json"))


def part_of(opt: dict[str, Any]) -> str:
    """The weights that count: those of the EMA, where a file has one."""
    return "params_ema" if opt["train"]["ema_decay"] else "params"


def check_upscales(opt: dict[str, Any], experiment: Path) -> None:
    """What ``degflow upscale`` makes of LR, here brought from the HR grid, is what the run has validated."""
    from basicsr.utils.registry import DATASET_REGISTRY

    from degflow_aug.models.inference.enlarger import Enlarger
    from degflow_aug.models.inference.trained_network import load_trained

    degflow_aug.register()
    section = opt["datasets"]["val"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(experiment.parents[1])
        item = DATASET_REGISTRY.get(section["type"])({**section, "phase": "val"})[0]
    trained = load_trained(str(experiment / "models/net_g_4.pth"))
    size = (item["gt"].shape[1], item["gt"].shape[2])
    made = to_array(Enlarger(trained.network, trained.scale)(item["lq"][None], size))
    file = f"{item['name'].partition('_x')[0]}_x{item['scale']:.6g}_4.png"
    (validated,) = experiment.glob(f"visualization/**/{file}")
    assert np.array_equal(made, read_image(validated))
    assert (trained.kind, trained.part) == (opt["network_g"]["type"], part_of(opt))
    assert load_trained(str(experiment)).file.name == ("net_g_best.pth" if "best" in opt["val"] else "net_g_latest.pth")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["LTE", "MetaSR", "CiaoSR"])
def test_others_of_any_scale_train_and_upscale(kind: str, project: Path) -> None:
    pytest.importorskip("basicsr", reason="training needs BasicSR")
    opt = small(load_yaml(FOLDER / "liif_cpu.yml"))
    imnet = {"LTE": {"imnet_spec": opt["network_g"].pop("imnet_spec")}, "CiaoSR": {"non_local_attn": False}}
    opt["network_g"] |= {"type": kind, **imnet.get(kind, {})}
    opt["val"]["save_img"] = True
    check_run(opt, project, resumes=False)
    check_upscales(opt, project / "experiments" / opt["name"])


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


@pytest.mark.parametrize(
    ("file", "tables"),
    [
        ("test_liif", {"City100": ["2.9"], "RealArbiSR": ["1.5", "2.5", "3", "3.5", "4"]}),
        ("test_realsr_x3_paper", {"RealSR-x3": ["3"]}),
        ("test_realarbisr_paper", {"RealArbiSR": ["2.5", "3", "3.5"], "RealSR-x3": ["3"]}),
    ],
)
def test_evaluation_only(file: str, tables: dict[str, list[str]], project: Path) -> None:
    pytest.importorskip("basicsr", reason="training needs BasicSR")
    opt = small(load_yaml(FOLDER / f"{file}.yml"))
    write_start(opt, project)
    said = run("test", opt, project)
    for name, scales in tables.items():
        (results,) = (project / "results").rglob(f"validation/{name}_*.json")
        found = load_yaml(results)["scales"]
        assert list(found) == scales
        assert f"{found[scales[0]]['psnr']:.4f}" in said
