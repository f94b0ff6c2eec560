"""Paths below a home, wherever they are given."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from helpers.photographs import write_photographs
from helpers.refusals import refused
from safetensors.torch import save_file

from degflow_aug.bundles.spec import bundle_path
from degflow_aug.data.hr_crop_dataset import HRCropDataset
from degflow_aug.data.layouts.find import find_pair_scenes
from degflow_aug.files.home_path import at_home, home_path
from degflow_aug.files.tensor_file import load_tensors, write_checkpoint
from degflow_aug.options.yaml_file import load_yaml, parse_value

FORMS = ["~", "$HOME", "${HOME}"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with pictures in hr and lr."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("hr", "lr"):
        write_photographs(tmp_path / "home" / name, 2)
    return tmp_path / "home"


@pytest.mark.parametrize("form", FORMS)
def test_the_beginning_is_put_in(form: str, home: Path) -> None:
    assert at_home(f"{form}/a b/c.png") == f"{home}/a b/c.png"
    assert home_path(form) == home_path(Path(form)) == home


@pytest.mark.parametrize("path", ["a/~/b", "~nobody-of-this-name/a", "$HOMER/a", "a$HOME", "~backup.png", "./~/a", ""])
def test_all_else_stays(path: str, home: Path) -> None:
    assert at_home(path) == path


@pytest.mark.parametrize("form", FORMS)
def test_values_of_option_files(form: str, home: Path) -> None:
    text = f"a: '{form}/x'\nb: [1, ['{form}/y']]\nc: &same {{2: '{form}/z'}}\nd: *same\ne: ~\n"
    (home / "options.yml").write_text(text)
    found = load_yaml(f"{form}/options.yml")
    assert found == {"a": f"{home}/x", "b": [1, [f"{home}/y"]], "c": {2: f"{home}/z"}, "d": {2: f"{home}/z"}, "e": None}
    assert parse_value(f"{form}/x") == f"{home}/x"
    assert parse_value("~") is None


@pytest.mark.parametrize("form", FORMS)
def test_data_sets_and_files_of_ones_own_code(form: str, home: Path) -> None:
    (home / "list.txt").write_text("00.png\n")
    crops = {"phase": "train", "gt_size": 8, "dataroot_gt": f"{form}/hr"}
    assert len(HRCropDataset(crops)) == len(HRCropDataset({**crops, "dataroot_gt": [f"{form}/hr"]})) == 2
    assert len(HRCropDataset({**crops, "meta_info": f"{form}/list.txt"})) == 1
    assert len(find_pair_scenes(f"{form}/hr", "folders", lq={1.5: f"{form}/lr"})) == 2
    write_checkpoint(home / "net.pth", {"iter": 3})
    assert load_tensors(f"{form}/net.pth") == {"iter": 3}
    save_file({}, home / "camera.safetensors")
    assert bundle_path(f"{form}/camera.safetensors") == home / "camera.safetensors"


@pytest.mark.parametrize("form", FORMS)
def test_the_command_line(form: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generate = ["generate", f"{form}/hr", "--scales", "2", f"--out={form}/out", "--bundle"]
    assert f"got {home}/none.safetensors: nothing there" in refused(capsys, *generate, f"{form}/none.safetensors")
    assert f"{home}/none.yml" in refused(capsys, "train", "-opt", f"{form}/none.yml")
    said = refused(capsys, "preview", "a.png", "--bundle", "simulator", "--real", f"2={form}/none.png")
    assert os.fspath(home) in said or "a.png" in said
