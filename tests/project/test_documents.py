"""The pages in ``degflow_aug/docs``: links lead somewhere, commands have their options, examples run as they stand."""

from __future__ import annotations

import argparse
import importlib
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from helpers.documents import BLOCKS, README, ROOT, Block, blocks_of, commands, lines_of_bash
from helpers.photographs import photograph

from degflow_aug import compat
from degflow_aug.cli import COMMANDS
from degflow_aug.options.yaml_file import load_yaml

DOCS = ROOT / "degflow_aug" / "docs"
CONTRIBUTING = ROOT / ".github" / "CONTRIBUTING.md"
TEXTS = {file.name: file.read_text(encoding="utf-8") for file in (*sorted(DOCS.glob("*.md")), CONTRIBUTING)}
PAGES = {name: blocks_of(text) for name, text in TEXTS.items()}
EVERY = [block for blocks in PAGES.values() for block in blocks]
# Run below.
PROJECT = ("train.py", "my_degradation.py", "my_network.py", "my_dataset.py")
PYTHON = {"use", "use-kernel", *PROJECT}
# What precedes degflow, and the tools of daily work.
TOOLS = ("torchrun", "srun", "degflow", "python train.py", "python -m pytest", "ruff", "mypy", "bash .ci/run")
HEAVIEST_FIGURE = 150_000
needs_basicsr = pytest.mark.skipif(not compat.has_basicsr(), reason="BasicSR is not installed")


def named(name: str) -> str:
    (text,) = (block.text for block in EVERY if block.name == name)
    return text


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_of_a_kind_that_is_tested(page: str) -> None:
    blocks = PAGES[page]
    assert TEXTS[page].count("```") == 2 * len(blocks)
    assert {block.language for block in blocks} <= {"bash", "python", "yaml"}
    assert {block.name for block in blocks if block.language == "python"} <= PYTHON
    assert {block.name for block in blocks if block.language == "yaml"} <= {"extended", "pattern"}


@pytest.mark.parametrize("page", PAGES)
def test_every_line_of_a_shell_is_known(page: str) -> None:
    for line in lines_of_bash(PAGES[page]):
        assert line.startswith(TOOLS), line
        assert "degflow" in line or not line.startswith(("torchrun", "srun"))


def copied_options() -> dict[str, str]:
    """Option files that a page makes from ours, by the name it gives them."""
    lines = (shlex.split(line) for line in lines_of_bash(EVERY))
    return {words[4]: words[2] for words in lines if words[:2] == ["degflow", "options"] and ">" in words}


@pytest.mark.parametrize("words", commands(EVERY), ids=" ".join)
def test_commands_have_the_options_they_name(words: list[str]) -> None:
    parser = argparse.ArgumentParser(exit_on_error=False)
    importlib.import_module(f"degflow_aug.commands.{words[0]}").add_arguments(parser)
    arguments = parser.parse_args(words[1:])
    if words[0] == "options" and arguments.name:
        assert (ROOT / "basicsr_options" / f"{arguments.name}.yml").is_file()
    if words[0] not in ("train", "test"):
        return
    copied = copied_options().get(arguments.opt)
    file = ROOT / (f"basicsr_options/{copied}.yml" if copied else arguments.opt)
    assert file.is_file()
    for entry in arguments.force_yml or ():
        value: Any = load_yaml(file)
        for key in entry.partition("=")[0].split(":"):
            value = value[key]


@pytest.mark.parametrize("page", [*PAGES, "../weights/README.md"])
def test_links_lead_to_files(page: str) -> None:
    folder = CONTRIBUTING.parent if page == CONTRIBUTING.name else DOCS
    text = TEXTS[page] if page in TEXTS else (DOCS / page).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\((.*?)\)", text) if not link.startswith("http")]
    missing = [link for link in links if not (folder / link.partition("#")[0]).is_file()]
    assert missing == []


def test_every_page_and_figure_is_linked() -> None:
    index = set(re.findall(r"\]\((.*?)\)", TEXTS["README.md"]))
    assert {file.name for file in DOCS.glob("*.md")} - {"README.md"} <= index
    assert "degflow_aug/docs/README.md" in README
    shown = {link for text in TEXTS.values() for link in re.findall(r"!\[.*?\]\((.*?)\)", text)}
    figures = {f"figures/{file.name}": file.stat().st_size for file in (DOCS / "figures").iterdir()}
    assert set(figures) == shown
    assert max(figures.values()) < HEAVIEST_FIGURE


def test_every_command_is_named() -> None:
    told = {words[0] for words in commands([*BLOCKS, *EVERY])}
    inline = " ".join(re.findall(r"`([^`\n]+)`", README + "".join(TEXTS.values())))
    unnamed = [name for name in COMMANDS if name not in told and not re.search(rf"\bdegflow {name}\b", inline)]
    assert unnamed == []


def test_a_page_with_a_mistake_would_be_found() -> None:
    blocks = [Block("bash", "", "degflow options x > y.yml\ndegflow fit a \\\n    --out b.safetensors --zz 'c d'\n")]
    assert lines_of_bash(blocks)[1].split()[:3] == ["degflow", "fit", "a"]
    assert commands(blocks) == [["options", "x"], ["fit", "a", "--out", "b.safetensors", "--zz", "c d"]]
    with pytest.raises(SystemExit):
        test_commands_have_the_options_they_name(commands(blocks)[1])


def test_python_of_use_runs_as_written() -> None:
    names: dict[str, Any] = {}
    exec(named("use"), names)
    assert names["lr"].shape == (2, 3, 48, 64)
    assert [view.shape for view in names["views"]] == [names["hr"].shape] * 3
    assert names["patches"].shape == (2, 3, 32, 32)
    names["generator"].seed(7)
    assert torch.equal(names["generator"](names["hr"], 2.0), names["lr"])
    exec(named("use-kernel"), names)
    assert names["lr"].shape == (2, 3, 26, 26)
    assert names["kernel"](names["hr"], 2.0).shape == (2, 3, 48, 64)


def write_extended_project(folder: Path) -> dict[str, Any]:
    """The files of extend.md, arrays to train on, and the option file that it describes, made small."""
    for name in PROJECT:
        (folder / name).write_text(named(name), encoding="utf-8")
    (folder / "arrays").mkdir()
    for seed in range(2):
        np.save(folder / "arrays" / f"{seed}.npy", photograph(seed, 140, 150))
    replaced = load_yaml(named("extended"))
    opt = {**load_yaml(ROOT / "basicsr_options/liif_degflow.yml"), **replaced, "num_gpu": 0}
    opt["datasets"] = {"train": {**replaced["datasets"]["train"], "num_worker_per_gpu": 0, "batch_size_per_gpu": 2}}
    opt["degflow"] |= {"queries": 64, "preview_freq": 0}
    opt["train"]["total_iter"] = 2
    opt["logger"] |= {"print_freq": 1, "use_tb_logger": False}
    del opt["val"]
    (folder / "extended.yml").write_text(yaml.safe_dump(opt, sort_keys=False), encoding="utf-8")
    return opt


@needs_basicsr
def test_a_project_with_parts_of_its_own_trains(tmp_path: Path) -> None:
    opt = write_extended_project(tmp_path)
    (line,) = (line for line in lines_of_bash(PAGES["extend.md"]) if "train.py" in line)
    done = subprocess.run(
        [sys.executable, *shlex.split(line)[1:]],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    state = torch.load(tmp_path / f"experiments/{opt['name']}/models/net_g_latest.pth", weights_only=True)["params"]
    assert state["colours.0.weight"].shape == (32, 34)
    assert all(torch.isfinite(value).all() for value in state.values())


@needs_basicsr
def test_a_degradation_of_ones_own_is_read_strictly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from degflow_aug.degradations import build

    monkeypatch.setattr(build, "TYPES", dict(build.TYPES))
    (tmp_path / "my_degradation.py").write_text(named("my_degradation.py"), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("my_degradation")
    try:
        defocus = build.build_degradation({"type": "Defocus", "sigma": 1, "scale_range": [1, 3]})
        lr = defocus.lr_patches(torch.rand(2, 3, 48, 48), torch.tensor([1.0, 3.0]), 16)
        assert lr.shape == (2, 3, 16, 16)
        for mistake, said in (({"sigm": 1}, "did you mean 'sigma'"), ({"sigma": 9}, "between 0 and 5")):
            with pytest.raises(ValueError, match=said):
                build.build_degradation({"type": "Defocus", **mistake})
        with pytest.raises(ValueError, match="inside"):
            defocus(torch.rand(1, 3, 48, 48), 3.5)
    finally:
        del sys.modules["my_degradation"]
