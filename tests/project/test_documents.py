"""Every page: links lead somewhere, commands have their options, option blocks are accepted, Python runs as it stands.

Examples for other people's projects are run by ``test_integration.py`` and ``test_clients.py``.
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import importlib
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from helpers.documents import BLOCKS, PACKAGE, ROOT, TEXTS, Block, block, commands, lines_of_bash, of_language
from helpers.photographs import photograph
from helpers.tiny_camera import write_pairs
from helpers.trees import realsr

import degflow_aug
from degflow_aug import compat
from degflow_aug.bundles.bundle import load_bundle, save_bundle
from degflow_aug.bundles.spec import SHIPPED, bundle_path
from degflow_aug.cli import COMMANDS
from degflow_aug.data.layouts.find import find_scenes
from degflow_aug.degradations.fitted.student import LRCorrection
from degflow_aug.files.image_file import write_image
from degflow_aug.options.super_resolution import ArbitraryScaleOptions, SROptions
from degflow_aug.options.yaml_file import load_yaml

needs_basicsr = pytest.mark.skipif(not compat.has_basicsr(), reason="BasicSR is not installed")
README, DOCS, OPTION_FILES = TEXTS["README.md"], "degflow_aug/docs/", ROOT / "basicsr_options"
# Run below, by a test each, or by test_integration.py; Python without a name is run as it stands.
NAMED = {
    "python": {
        "my_degradation.py", "my_network.py", "my_dataset.py", "train.py", "realesrgan/models/degflow_model.py",
        "realesrgan/train.py", "loop", "any-scale-loop", "lightning", "official-liif", "lr_by_ray.py",
    },
    "yaml": {"pattern.yml", "one-of", "stock", "realesrgan", "extended"},
}  # fmt: skip
# What precedes degflow, and the tools of daily work.
TOOLS = ("torchrun", "srun", "degflow", "python train.py", "python -m pytest", "python -m pip", "python3 -m venv")
TOOLS = (*TOOLS, "python lr_by_ray.py", ". .venv", "ruff", "mypy", "bash .ci/run", "python -m benchmarks.")
LONGEST_README, LONGEST_TABLE, HEAVIEST_FIGURE = 200, 6, 1_000_000
LINKS = {page: re.findall(r"\]\((?!http)(.*?)\)", text) for page, text in TEXTS.items()}


def test_every_block_is_of_a_kind_that_is_tested() -> None:
    for page, text in TEXTS.items():
        assert text.count("```") == 2 * sum(each.page == page for each in BLOCKS), page
    assert {each.language for each in BLOCKS} == {"bash", "python", "yaml", "text"}
    for language, names in NAMED.items():
        assert {each.name for each in of_language(language)} - {""} == names


def test_readme_is_short() -> None:
    assert len(README.splitlines()) <= LONGEST_README
    tables = re.findall(r"(?:^\|.*\n)+", README, flags=re.MULTILINE)
    long = [table for table in tables if table.count("\n") - 2 > LONGEST_TABLE]
    assert all(table.startswith("| option file |") for table in long)


@pytest.mark.parametrize("page", TEXTS)
def test_links_lead_somewhere(page: str) -> None:
    for link in LINKS[page]:
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.is_file(), link
        if anchor:
            titles = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), flags=re.MULTILINE)
            assert anchor in [re.sub(r"[^\w-]", "", title.lower().replace(" ", "-")) for title in titles], link


@pytest.mark.parametrize("page", [page for page in TEXTS if (ROOT / page).is_relative_to(PACKAGE)])
def test_pages_of_the_package_link_to_what_is_in_the_wheel(page: str) -> None:
    targets = [((ROOT / page).parent / link.partition("#")[0]).resolve() for link in LINKS[page]]
    assert all(target.is_relative_to(PACKAGE) for target in targets)


def test_every_page_and_figure_is_linked() -> None:
    docs = ROOT / DOCS
    assert {file.name for file in docs.glob("*.md")} - {"README.md"} <= set(LINKS[f"{DOCS}README.md"])
    pages = {link for link in LINKS["README.md"] if link.startswith(DOCS)}
    assert f"{DOCS}README.md" in pages
    shown = {(ROOT / page).parent / link for page, links in LINKS.items() for link in links if link.endswith(".png")}
    assert set((docs / "figures").iterdir()) <= shown
    assert max(figure.stat().st_size for figure in shown) < HEAVIEST_FIGURE


@pytest.mark.parametrize("line", lines_of_bash())
def test_every_line_of_a_shell_is_known(line: str) -> None:
    assert line.startswith(TOOLS)
    assert "degflow" in line or not line.startswith(("torchrun", "srun"))
    words = shlex.split(line, comments=True)
    if not line.startswith("python -m benchmarks."):
        return
    module = ROOT / words[2].replace(".", "/")
    files = [*module.glob("*.py")] if module.is_dir() else [module.with_suffix(".py")]
    files += [*(PACKAGE / "commands/shared").glob("*.py"), *(ROOT / "benchmarks/shared").glob("*.py")]
    text = "".join(file.read_text(encoding="utf-8") for file in files)
    assert files[0].is_file()
    assert [word for word in words[3:] if word.startswith("--") and f'"{word}"' not in text] in ([], ["--help"])


def option_file(name: str) -> Path:
    """The option file that a page names, which may be a copy of ours under another name."""
    lines = [shlex.split(line, comments=True) for line in lines_of_bash()]
    copies = {words[4]: words[2] for words in lines if words[:2] == ["degflow", "options"] and ">" in words}
    return OPTION_FILES / f"{copies.get(name, name)}.yml" if name in copies or "." not in name else ROOT / name


@pytest.mark.parametrize("words", commands(lines_of_bash()), ids=" ".join)
def test_commands_have_the_options_they_name(words: list[str]) -> None:
    parser = argparse.ArgumentParser(exit_on_error=False)
    importlib.import_module(f"degflow_aug.commands.{words[0]}").add_arguments(parser)
    arguments = parser.parse_args(words[1:])
    if words[0] == "options" and arguments.name:
        assert (OPTION_FILES / f"{arguments.name}.yml").is_file()
    if words[0] not in ("train", "test"):
        return
    for entry in arguments.force_yml or ():
        value: Any = load_yaml(option_file(arguments.opt))
        for key in entry.partition("=")[0].split(":"):
            value = value[key]
    assert vars(arguments).get("network") or option_file(arguments.opt).is_file()


def test_every_command_option_file_bundle_and_choice_is_named() -> None:
    from degflow_aug.archs.arbitrary_scale.encoders import ENCODERS
    from degflow_aug.data.layouts.find import PAIR_LAYOUTS
    from degflow_aug.degradations.build import TYPES

    told = {words[0] for words in commands(lines_of_bash())}
    inline = " ".join(re.findall(r"`([^`\n]+)`", "".join(TEXTS.values())))
    assert [name for name in COMMANDS if name not in told and not re.search(rf"\bdegflow {name}\b", inline)] == []
    rows = "\n".join(line.split("|")[1] for line in README.splitlines() if line.startswith("| `"))
    assert set(re.findall(r"`(\w+\.yml)`", rows)) == {file.name for file in OPTION_FILES.glob("*.yml")}
    assert set(SHIPPED) <= set(re.findall(r"`([\w-]+)`", rows))
    assert sorted(re.findall(r"^.*?type: (\w+)", block("train", "one-of"), flags=re.MULTILINE)) == sorted(TYPES)
    train = TEXTS[f"{DOCS}train.md"]
    (layouts,) = re.findall(r"layout: realsr (.*)", train)
    assert all(re.search(rf"\b{layout}\b", f"realsr {layouts}") for layout in PAIR_LAYOUTS)
    (networks,) = re.findall(r"^Those of arbitrary scale are (.*?):$", train, flags=re.MULTILINE | re.DOTALL)
    assert re.findall(r"`(.*?)`", networks) == ["LIIF", "LTE", "MetaSR", "CiaoSR", *ENCODERS]


def test_the_sentences_that_are_explained_are_those_of_the_code() -> None:
    section = TEXTS[f"{DOCS}faq.md"].partition("## What an error says")[2].partition("\n## ")[0]
    code = "".join(file.read_text(encoding="utf-8") for file in PACKAGE.rglob("*.py"))
    said = [part for each in re.findall(r"^\| `(.*?)` \|", section, flags=re.MULTILINE) for part in each.split("...")]
    assert len(said) > 20
    assert [part for part in said if part not in code] == []


def test_the_section_degflow_is_shown_whole() -> None:
    (section,) = (load_yaml(each.text)["degflow"] for each in of_language("yaml") if each.text.startswith("degflow:"))
    shared = [item.name for item in dataclasses.fields(SROptions)]
    assert sorted(section) == sorted(item.name for item in dataclasses.fields(ArbitraryScaleOptions))
    assert sorted(list(section)[-len(shared) :]) == sorted(shared)
    assert "the last seven keys" in TEXTS[f"{DOCS}train.md"]
    assert len(shared) == 7


def test_the_pattern_file_describes_pairs(tmp_path: Path) -> None:
    text = block("fit", "pattern.yml")
    write_pairs(tmp_path, scenes=1, scales=(2.0, 3.0, 4.0))
    for scale in (2, 3, 4):
        (tmp_path / f"x{scale}").rename(tmp_path / f"LR{scale}")
    (scene,) = find_scenes(tmp_path, "pattern", pattern=load_yaml(text))
    assert scene.scales == (2.0, 3.0, 4.0)
    assert yaml.safe_load(text) == load_yaml(text)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory with the camera and the data sets that pages name, with an image or two each."""
    path = tmp_path_factory.mktemp("pages")
    student = LRCorrection().state_dict()
    save_bundle(path / "camera.safetensors", dataclasses.replace(load_bundle("simulator"), students=[student]))
    image = photograph(0, 160, 160)
    realsr(path / "datasets/RealSR_v2_ordered", size=(160, 160), split="Test")
    for name in (
        "DF2K/HR/0001",
        *(f"City100/City100_iPhoneX/{scene}{kind}" for scene in ("001", "061") for kind in "HL"),
    ):
        file = path / "datasets" / f"{name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        write_image(file, image)
    return path


OPTION_BLOCKS = [each.text for each in of_language("yaml") if not each.name]
OPTION_BLOCKS += [line.removeprefix("# ") for line in block("train", "one-of").splitlines()]


@needs_basicsr
@pytest.mark.parametrize("text", OPTION_BLOCKS, ids=lambda text: text.splitlines()[-1][:60])
def test_option_blocks_are_accepted(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from degflow_aug.models.checks.training_options import check_training_options

    degflow_aug.register()
    monkeypatch.chdir(folder)
    opt, snippet = load_yaml(OPTION_FILES / "liif_degflow.yml"), load_yaml(text)
    datasets = {**opt["datasets"], **snippet.get("datasets", {})}
    check_training_options({**opt, **snippet, "datasets": datasets}, "a page")


def run_example(text: str) -> dict[str, Any]:
    """Run an example; where a comment begins with a shape, what its line assigns has to have it."""
    names: dict[str, Any] = {}
    exec(compile(text, "a page", "exec", dont_inherit=True), names)
    for name, shape in re.findall(r"^ *(\w+) = .*?# (\(\d+(?:, \d+)+\))", text, flags=re.MULTILINE):
        assert tuple(names[name].shape) == ast.literal_eval(shape), name
    return names


@needs_basicsr
@pytest.mark.parametrize("camera", ["simulator", "city100-nikon"])
@pytest.mark.parametrize("each", of_language("python", ""), ids=lambda each: each.page)
def test_python_runs_as_written(each: Block, camera: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(bundle_path(camera), tmp_path / "camera.safetensors")
    monkeypatch.chdir(tmp_path)
    run_example(each.text)


@needs_basicsr
def test_the_authors_weights_become_a_start(tmp_path: Path, fixtures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from degflow_aug.archs.arbitrary_scale.liif_arch import LIIF
    from degflow_aug.compat.weights import fill_network

    monkeypatch.chdir(tmp_path)
    shutil.copy(fixtures / "official_liif.pth", "edsr-baseline-liif.pth")
    official = run_example(block("train", "official-liif"))["network"]
    start = LIIF(**official.spec)
    fill_network(start, "edsr-baseline-liif.pth", True, "params_ema")
    assert all(torch.equal(value, start.state_dict()[key]) for key, value in official.state_dict().items())


def test_a_degradation_of_ones_own_is_read_strictly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from degflow_aug.degradations import build

    monkeypatch.setattr(build, "TYPES", dict(build.TYPES))
    (tmp_path / "my_degradation.py").write_text(block("extend", "my_degradation.py"), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "my_degradation", raising=False)
    importlib.import_module("my_degradation")
    defocus = degflow_aug.build_degradation({"type": "Defocus", "sigma": 1, "scale_range": [1, 3]})
    lr = defocus.lr_patches(torch.rand(2, 3, 48, 48), torch.tensor([1.0, 3.0]), 16)
    assert lr.shape == (2, 3, 16, 16)
    for mistake, said in (({"sigm": 1}, "did you mean 'sigma'"), ({"sigma": 9}, "between 0 and 5")):
        with pytest.raises(ValueError, match=said):
            degflow_aug.build_degradation({"type": "Defocus", **mistake})
    with pytest.raises(ValueError, match="inside"):
        defocus(torch.rand(1, 3, 48, 48), 3.5)
