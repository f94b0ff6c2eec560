"""What README says can be copied: option blocks are accepted, Python runs, commands have the options they name.

The examples for other people's projects are run by ``test_integration.py``.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from helpers.documents import BLOCKS, README, ROOT, block, commands, lines_of_bash, of_language
from helpers.random_networks import random_noise, random_rae, random_velocity

import degflow_aug
from degflow_aug import compat
from degflow_aug.bundles.bundle import Bundle, GeneratorSpec, save_bundle
from degflow_aug.bundles.names import SHIPPED, shipped_names
from degflow_aug.data.layouts.find import find_scenes
from degflow_aug.degradations.fitted.fitted_pipeline import FittedPipeline
from degflow_aug.files.image_file import write_image
from degflow_aug.options.super_resolution import ArbitraryScaleOptions, SROptions
from degflow_aug.options.yaml_file import load_yaml

needs_basicsr = pytest.mark.skipif(not compat.has_basicsr(), reason="BasicSR is not installed")
OPTION_FILES = ROOT / "basicsr_options"
ONLY_IN_A_SHELL = ("python3 -m venv", ". .venv/bin/activate", "python -m pip", "python -m pytest")
IN_A_PROJECT = {"train.py", "stock", "realesrgan/models/degflow_model.py", "realesrgan", "loop", "lightning"}


def write_camera(folder: Path) -> None:
    """``camera.safetensors``: random networks, and a box as the kernel of each knot."""
    rae, velocity = random_rae(), random_velocity()
    knots = (1.0, 2.0, 4.0)
    kernels = torch.zeros(3, 3, 5, 5)
    kernels[0, :, 2, 2] = 1
    kernels[1, :, 1:4, 1:4] = 1 / 9
    kernels[2] = 1 / 25
    spec = GeneratorSpec(rae=rae.spec, velocity=velocity.spec, knots=knots, s_max=4.0)
    taps = torch.zeros(3, 3, 7, 7)
    taps[..., 3, 3] = 1
    numbers = (torch.tensor(1.5), taps, torch.tensor(0.5))
    fitted = FittedPipeline(torch.tensor(knots), kernels, kernels, *numbers).state_dict()
    save_bundle(folder / "camera.safetensors", Bundle(spec, rae, velocity, fitted, random_noise().state_dict()))


def write_datasets(folder: Path) -> None:
    """The data sets that option blocks name, with an image or two each."""
    image = np.random.default_rng(0).integers(0, 256, (160, 160, 3), dtype=np.uint8)
    realsr = (
        f"RealSR_v2_ordered/Canon/Test/{scale}/Canon_001_{kind}" for scale in (2, 4) for kind in ("HR", f"LR{scale}")
    )
    city100 = (f"City100/City100_iPhoneX/{scene}{kind}" for scene in ("001", "061") for kind in "HL")
    for name in ("DF2K/HR/0001", *realsr, *city100):
        path = folder / "datasets" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_image(path, image)


def check_options(snippet: dict[str, Any]) -> None:
    """Read ``liif_degflow.yml`` strictly with the sections of ``snippet`` in place of its own."""
    import degflow_aug

    degflow_aug.register()
    from degflow_aug.models.checks.training_options import check_training_options

    opt = load_yaml(OPTION_FILES / "liif_degflow.yml")
    datasets = {**opt["datasets"], **snippet.get("datasets", {})}
    check_training_options({**opt, **snippet, "datasets": datasets}, "README.md")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory with the camera and the data sets that README names."""
    path = tmp_path_factory.mktemp("readme")
    write_camera(path)
    write_datasets(path)
    return path


def test_every_block_is_of_a_kind_that_is_tested() -> None:
    named = {each.name for each in BLOCKS if each.language in ("python", "yaml") and each.name}
    assert named == IN_A_PROJECT | {"one-of", "by-name", "pattern.yml"}
    assert {each.language for each in BLOCKS} == {"bash", "python", "yaml"}
    assert README.count("```") == 2 * len(BLOCKS)


def test_the_pattern_file_describes_pairs(tmp_path: Path) -> None:
    from helpers.tiny_camera import write_pairs

    text = block("pattern.yml", "yaml")
    write_pairs(tmp_path, scenes=1)
    (tmp_path / "x2").rename(tmp_path / "LR2")
    (tmp_path / "x4").rename(tmp_path / "LR4")
    (scene,) = find_scenes(tmp_path, "pattern", pattern=load_yaml(text))
    assert scene.scales == (2.0, 4.0)
    assert yaml.safe_load(text) == load_yaml(text)


@needs_basicsr
@pytest.mark.parametrize("text", [text for text in of_language("yaml") if not text.startswith("hr:")])
def test_option_blocks_are_accepted(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    check_options(load_yaml(text))


@needs_basicsr
@pytest.mark.parametrize(
    "line", block("one-of", "yaml").splitlines(), ids=lambda line: re.findall(r"type: (\w+)", line)[0]
)
def test_every_degradation_is_accepted(line: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    check_options(load_yaml(line.removeprefix("# ")))


@needs_basicsr
def test_a_mistake_in_an_option_block_would_be_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    for mistaken in ({"degflow": {"lr_sice": 48}}, {"degradation": {"type": "DegFlow", "bundle": "camera.pth"}}):
        with pytest.raises(ValueError, match=r"lr_size|camera\.pth"):
            check_options(mistaken)


def test_the_section_degflow_is_shown_whole() -> None:
    (section,) = (load_yaml(text)["degflow"] for text in of_language("yaml") if text.startswith("degflow:"))
    shared = [item.name for item in dataclasses.fields(SROptions)]
    assert sorted(section) == sorted(item.name for item in dataclasses.fields(ArbitraryScaleOptions))
    assert sorted(list(section)[-len(shared) :]) == sorted(shared)
    assert "the last six keys" in README
    assert len(shared) == 6


def test_every_choice_is_named() -> None:
    from degflow_aug.archs.arbitrary_scale.encoders import ENCODERS
    from degflow_aug.data.layouts import PAIR_LAYOUTS
    from degflow_aug.degradations.build import TYPES

    alternatives = block("one-of", "yaml").splitlines()
    assert sorted(re.findall(r"type: (\w+)", line)[0] for line in alternatives) == sorted(TYPES)
    (layouts,) = (text for text in of_language("yaml") if "layout: realsr " in text)
    assert all(re.search(rf"\b{layout}\b", layouts) for layout in PAIR_LAYOUTS)
    (networks,) = re.findall(
        r"^\*\*Networks\*\* of arbitrary scale are (.*?):$", README, flags=re.MULTILINE | re.DOTALL
    )
    assert re.findall(r"`(.*?)`", networks) == ["LIIF", "LTE", "MetaSR", "CiaoSR", *ENCODERS]


def test_every_option_file_is_in_a_table() -> None:
    rows = "\n".join(line.split("|")[1] for line in README.splitlines() if line.startswith("| `"))
    assert set(re.findall(r"`(\w+\.yml)`", rows)) == {file.name for file in OPTION_FILES.glob("*.yml")}


@pytest.mark.parametrize("line", lines_of_bash())
def test_every_line_of_a_shell_is_known(line: str) -> None:
    if line.startswith(ONLY_IN_A_SHELL):
        return
    words = shlex.split(line, comments=True)
    if words[0] == "python":
        assert words[1] == "train.py" or (ROOT / words[1]).is_file()
    else:
        assert "degflow" in words or "degflow_aug" in words


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_commands_have_the_options_they_name(words: list[str]) -> None:
    parser = argparse.ArgumentParser(exit_on_error=False)
    importlib.import_module(f"degflow_aug.commands.{words[0]}").add_arguments(parser)
    arguments = parser.parse_args(words[1:])
    for word in words:
        assert not word.startswith("basicsr_options/") or (ROOT / word).is_file()
    for entry in getattr(arguments, "force_yml", None) or ():
        value: Any = load_yaml(ROOT / arguments.opt)
        for key in entry.partition("=")[0].split(":"):
            value = value[key]


def test_python_runs_as_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    (text,) = (text for text in of_language("python") if "load_generator" in text)
    names: dict[str, torch.Tensor] = {}
    exec(text, names)
    assert names["lr"].shape == (1, 3, 178, 237)
    assert names["view"].shape == (1, 3, 480, 640)
    assert names["patches"].shape == (2, 3, 48, 48)


@pytest.mark.skipif("city100-iphone" not in shipped_names(), reason="its training has not ended")
def test_shipped_generators_come_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(block("by-name"), names)
    assert names["lr"].shape == (1, 3, 178, 237)
    hr = torch.rand(1, 3, 48, 64)
    assert torch.equal(names["iphone"](hr, 2.0), names["same"](hr, 2.0))


def test_every_shipped_bundle_is_named() -> None:
    (section,) = re.findall(r"^## Without training anything$(.*?)^## ", README, flags=re.MULTILINE | re.DOTALL)
    assert set(SHIPPED) <= set(re.findall(r"`([\w-]+)`", section))


@needs_basicsr
def test_any_degradation_is_made_as_written() -> None:
    (text,) = (text for text in of_language("python") if "build_degradation" in text)
    names = {"degflow_aug": degflow_aug, "hr": torch.rand(1, 3, 48, 64)}
    exec(text, names)
    assert names["lr"].shape == (1, 3, 18, 24)


@needs_basicsr
def test_official_weights_become_a_start(tmp_path: Path, fixtures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from degflow_aug.archs.arbitrary_scale.liif_arch import LIIF
    from degflow_aug.models.training.checkpoint import read_weights

    monkeypatch.chdir(tmp_path)
    shutil.copy(fixtures / "official_liif.pth", "edsr-baseline-liif.pth")
    (text,) = (text for text in of_language("python") if "load_official" in text)
    names: dict[str, Any] = {}
    exec(text, names)
    official = names["network"]
    start = LIIF(**official.spec)
    read_weights("liif_official.pth", start, True, "params_ema")
    assert all(torch.equal(value, start.state_dict()[key]) for key, value in official.state_dict().items())
    assert len(of_language("python")) == 3


def test_pictures_and_sections_are_there() -> None:
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", README)
    assert pictures
    assert all((ROOT / picture).is_file() for picture in pictures)
    sections = {title.lower().replace(" ", "-") for title in re.findall(r"^#+ (.*)$", README, flags=re.MULTILINE)}
    assert set(re.findall(r"\]\(#(.*?)\)", README)) <= {re.sub(r"[^\w-]", "", section) for section in sections}


def benchmark_commands() -> list[list[str]]:
    """What follows ``python``, for the commands that run a benchmark."""
    split = (shlex.split(line, comments=True) for line in lines_of_bash())
    return [words[1:] for words in split if len(words) > 1 and words[1].startswith("benchmarks/")]


@pytest.mark.parametrize("words", benchmark_commands(), ids=lambda words: words[0].partition("/")[2])
def test_benchmarks_have_the_options_they_are_called_with(words: list[str]) -> None:
    shared = [ROOT / "degflow_aug/commands/shared/pairs_arguments.py", *(ROOT / "benchmarks").glob("*_options.py")]
    text = "".join(file.read_text(encoding="utf-8") for file in (ROOT / words[0], *shared))
    unknown = [word for word in words[1:] if word.startswith("--") and f'"{word}"' not in text]
    assert not unknown
