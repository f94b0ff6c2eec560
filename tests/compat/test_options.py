"""The command line and option file of train_pipeline."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from helpers.basicsr_experiment import register_recording_dataset, write_experiment

from degflow_aug import compat
from degflow_aug.compat.options import options_as_text, override, parse_options
from degflow_aug.options.yaml_file import load_yaml

if not compat.has_basicsr():
    pytest.skip("BasicSR is not installed", allow_module_level=True)


@pytest.fixture(scope="module", autouse=True)
def patched() -> None:
    compat.patch_training()
    register_recording_dataset()


@pytest.fixture
def our_model() -> Iterator[type]:
    """A model that counts as this package's."""
    from basicsr.utils.registry import MODEL_REGISTRY

    ours = type(
        "OptionsTestModel",
        (),
        {"__module__": "degflow_aug.models.test", "option_keys": {"train": ("clip", "pixel_opt")}},
    )
    MODEL_REGISTRY.register(ours)
    yield ours
    del MODEL_REGISTRY._obj_map["OptionsTestModel"]


def original_options() -> ModuleType:
    """BasicSR's own module, as it is before :func:`compat.patch_training`."""
    specification = importlib.util.find_spec("basicsr.utils.options")
    assert specification is not None
    assert specification.loader is not None
    original = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(original)
    return original


def parse(folder: Path, *flags: str, **changes: Any) -> dict[str, Any]:
    """Parse the tiny experiment's options with changes."""
    return parse_options(str(folder), argv=["-opt", str(write_experiment(folder, images=1, **changes)), *flags])[0]


def test_train_pipeline_uses_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import basicsr.test
    import basicsr.train
    import basicsr.utils.options

    assert basicsr.train.parse_options is basicsr.test.parse_options is basicsr.utils.options.parse_options
    monkeypatch.setattr(sys, "argv", ["train", "-opt", str(write_experiment(tmp_path, images=1)), "--auto_resume"])
    opt, args = basicsr.train.parse_options(str(tmp_path))
    assert opt["auto_resume"] is True
    assert args.opt == str(tmp_path / "options.yml")


def test_result_equals_basicsrs_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a file without mistakes, what BasicSR makes of it, in training and in testing."""
    original = original_options()
    changes = {"val": {"val_freq": 5, "save_img": True}, "path": {"resume_state": None}, "datasets__val_2": {}}
    options = write_experiment(tmp_path, images=1, **changes)
    for flags in ([], ["--debug"], ["--auto_resume", "--force_yml", "train:total_iter=9", "val:suffix=none"]):
        for is_train in (True, False):
            monkeypatch.setattr(sys, "argv", ["train", "-opt", str(options), *flags])
            expected, _ = original.parse_options(str(tmp_path), is_train)
            actual, _ = parse_options(str(tmp_path), is_train)
            assert actual == expected


def test_options_print_as_basicsrs_own_and_with_keys_that_are_numbers() -> None:
    import basicsr.test
    import basicsr.train
    import basicsr.utils.options as bound

    original = original_options()
    plain = {"name": "x", "datasets": {"val": {"scale": 2, "lq": {"2": "a"}}}, "list": [1, {"a": 2}], "empty": {}}
    numbers = {"lq": {2: "a", 2.9: {"deep": None}}}
    assert options_as_text(plain) == original.dict2str(plain)
    assert options_as_text(numbers) == original.dict2str({"lq": {"2": "a", "2.9": {"deep": None}}})
    with pytest.raises(TypeError):
        original.dict2str(numbers)
    assert basicsr.train.dict2str is basicsr.test.dict2str is bound.dict2str is options_as_text


def test_yaml_numbers_and_equal_keys(tmp_path: Path) -> None:
    path = write_experiment(tmp_path, images=1)
    text = path.read_text(encoding="utf-8").replace('"lr": 0.001', '"lr": 1e-4')
    path.write_text(text, encoding="utf-8")
    assert parse_options(str(tmp_path), argv=["-opt", str(path)])[0]["train"]["optim_g"]["lr"] == 1e-4
    path.write_text(text.replace('"lr": 1e-4', '"lr": 1e-4, "lr": 1e-3'), encoding="utf-8")
    with pytest.raises(ValueError, match=r"options\.yml, got the key 'lr' twice"):
        parse_options(str(tmp_path), argv=["-opt", str(path)])


def test_unknown_keys_stop_our_models_only(tmp_path: Path, our_model: type) -> None:
    parse(tmp_path, train__ema_decy=0.9)
    with pytest.raises(ValueError, match="'ema_decy' in train; did you mean 'ema_decay'"):
        parse(tmp_path, model_type="OptionsTestModel", train__ema_decy=0.9)
    assert parse(tmp_path, model_type="OptionsTestModel", train__clip=1)["train"]["clip"] == 1


def test_unknown_model_type_stops_before_any_folder_is_touched(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"unknown model_type 'SRModl' in .*; did you mean 'SRModel'\?"):
        parse(tmp_path, model_type="SRModl")


@pytest.mark.parametrize("key", ["name", "model_type", "datasets", "train"])
def test_missing_keys_are_named(tmp_path: Path, key: str) -> None:
    with pytest.raises(ValueError, match=f"expected the key {key} in .*options.yml, got none"):
        parse(tmp_path, **{key: None})


def test_force_yml_counts_as_often_as_it_is_given(tmp_path: Path) -> None:
    opt = parse(tmp_path, "--force_yml", "name=a", "train:total_iter=7", "--force_yml", "manual_seed=3")
    assert (opt["name"], opt["train"]["total_iter"], opt["manual_seed"]) == ("a", 7, 3)


@pytest.mark.parametrize("words", [
    ["name=a", "name=b"], ["name=a", "--force_yml", "name=b"], ["name=a", "train:total_iter=7", "name =a"],
    ["train:total_iter=7", "train: total_iter=8"],
])  # fmt: skip
def test_force_yml_takes_each_key_once(tmp_path: Path, words: list[str]) -> None:
    with pytest.raises(ValueError, match=f"each key once after --force_yml, got '{words[0]}' and '{words[-1]}'"):
        parse(tmp_path, "--force_yml", *words)


def test_force_yml_sets_values_and_runs_nothing(tmp_path: Path) -> None:
    entry = 'name"]; __import__("os").environ.setdefault("DEGFLOW_INJECTED", "yes"); opt["name=tiny'
    opt = parse(tmp_path, "--force_yml", entry, "train:optim_g:lr=1e-4", "datasets:train:mean=[0, 1]", "a=b=c")
    assert "DEGFLOW_INJECTED" not in os.environ
    assert opt["train"]["optim_g"]["lr"] == 1e-4
    assert opt["datasets"]["train"]["mean"] == [0, 1]
    assert opt["a"] == "b=c"


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("trian:lr=1", "unknown section 'trian' in --force_yml trian:lr=1; did you mean 'train'"),
        ("train:lr:x=1", "unknown section 'lr'"),
        ("train", "expected key=value or section:key=value"),
        ("=1", "expected key=value"),
        ("a=[", "expected valid YAML"),
    ],
)
def test_force_yml_mistakes(entry: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        override({"train": {"lr": 1}}, entry)


def test_force_yml_seed_takes_effect(tmp_path: Path) -> None:
    parse(tmp_path, "--force_yml", "manual_seed=99")
    expected = torch.Generator().manual_seed(99)
    assert torch.rand(()).item() == torch.rand((), generator=expected).item()


def test_seed_without_manual_seed_belongs_to_the_name(tmp_path: Path) -> None:
    seeds = {name: parse(tmp_path, manual_seed=None, name=name)["manual_seed"] for name in ("one", "two")}
    assert seeds["one"] != seeds["two"]
    assert parse(tmp_path, manual_seed=None, name="one")["manual_seed"] == seeds["one"]


def test_defaults_for_what_basicsr_reads_without_asking(tmp_path: Path) -> None:
    opt = parse(tmp_path, logger=None, num_gpu=None, path=None, val={"pbar": False})
    assert opt["logger"] == {"print_freq": 100, "save_checkpoint_freq": 5000, "use_tb_logger": False}
    assert opt["val"] == {"val_freq": 5000, "save_img": False, "pbar": False}
    assert opt["num_gpu"] == torch.cuda.device_count()


def test_hyphenated_local_rank(tmp_path: Path) -> None:
    assert parse(tmp_path, "--local-rank=0")["dist"] is False


def test_unknown_path_keys_do_not_become_folders_in_ours(tmp_path: Path, our_model: type) -> None:
    for value in ("somewhere.pth", False):
        with pytest.raises(ValueError, match="unknown key 'stage_one' in path"):
            parse(tmp_path, model_type="OptionsTestModel", path__stage_one=value)


def test_float_scale_is_refused_in_ours(tmp_path: Path, our_model: type) -> None:
    with pytest.raises(ValueError, match=r"expected an integer for scale, got 2\.5"):
        parse(tmp_path, model_type="OptionsTestModel", scale=2.5)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_option_file_is_copied_as_text(encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from basicsr.train import copy_opt_file

    source = tmp_path / os.fsdecode(b"o\xff\n.yml")
    source.write_bytes("name: bäume\n".encode(encoding))
    (tmp_path / "run").mkdir()
    monkeypatch.setattr(sys, "argv", ["degflow train", "-opt", str(source)])
    copy_opt_file(str(source), str(tmp_path / "run"))
    copy = (tmp_path / "run" / source.name).read_text(encoding="utf-8")
    assert f"# degflow train -opt '{tmp_path}/o\\xff\\n.yml'\n\n" in copy
    assert load_yaml(copy) == {"name": "bäume"}
