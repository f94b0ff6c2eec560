"""What README says can be copied: its option blocks parse, its Python runs, its commands have the options they name."""

from __future__ import annotations

import argparse
import importlib
import re
import shlex
from pathlib import Path

import pytest
import torch
import yaml
from random_networks import random_rae, random_velocity

from degflow_aug.bundle import Bundle, GeneratorSpec, save_bundle
from degflow_aug.data.layouts import find_scenes
from degflow_aug.yaml_options import load_yaml

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def commands() -> list[list[str]]:
    lines = "\n".join(blocks("bash")).replace("\\\n", " ").splitlines()
    found = [shlex.split(line, comments=True) for line in lines if "degflow" in line]
    starts = [(line, line.index("degflow") if "degflow" in line else -1) for line in found]
    return [line[start + 1 :] for line, start in starts if start >= 0]


def test_the_pattern_file_describes_pairs(tmp_path: Path) -> None:
    from tiny_camera import write_pairs

    (text,) = blocks("yaml")
    write_pairs(tmp_path, scenes=1)
    (tmp_path / "x2").rename(tmp_path / "LR2")
    (tmp_path / "x4").rename(tmp_path / "LR4")
    (scene,) = find_scenes(tmp_path, "pattern", pattern=load_yaml(text))
    assert scene.scales == (2.0, 4.0)
    assert yaml.safe_load(text) == load_yaml(text)


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_commands_have_the_options_they_name(words: list[str]) -> None:
    parser = argparse.ArgumentParser(exit_on_error=False)
    importlib.import_module(f"degflow_aug.commands.{words[0]}").add_arguments(parser)
    parser.parse_args(words[1:])
    for word in words:
        assert not word.startswith("basicsr_options/") or (ROOT / word).is_file()


def test_python_runs_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rae, velocity = random_rae(), random_velocity()
    spec = GeneratorSpec(rae=rae.spec, velocity=velocity.spec, knots=(1.0, 2.0, 4.0), s_max=4.0)
    save_bundle("camera.safetensors", Bundle(spec, rae, velocity))
    (text,) = (block for block in blocks("python") if "load_generator" in block)
    names: dict[str, torch.Tensor] = {}
    exec(text, names)
    assert names["lr"].shape == (1, 3, 178, 237)
    assert names["view"].shape == (1, 3, 480, 640)
    assert names["patches"].shape == (2, 3, 48, 48)


def test_pictures_are_there() -> None:
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", README)
    assert pictures
    assert all((ROOT / picture).is_file() for picture in pictures)
