"""Which network of a run is taken, what its option file and command line say, and what is refused."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from helpers.tiny_sr import EDSR, LIIF
from helpers.trained_runs import write_run
from safetensors.torch import save_file

pytest.importorskip("basicsr", reason="networks are BasicSR's")

from degflow_aug.bundles.spec import bundle_path
from degflow_aug.compat.options import copy_opt_file
from degflow_aug.models.inference.trained_network import load_trained


def test_the_best_comes_before_the_newest_and_ema_before_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = write_run(tmp_path / "experiments/tiny", EDSR, scale=2, iterations=(2, 10))
    assert load_trained(str(run)).file == run / "models/net_g_10.pth"
    shutil.copy(run / "models/net_g_2.pth", run / "models/net_g_best.pth")
    found = load_trained("tiny")
    assert found.file == Path("experiments/tiny/models/net_g_best.pth")
    assert (found.kind, found.scale, found.part) == ("EDSR", 2, "params_ema")
    wanted = torch.load(run / "models/net_g_2.pth", weights_only=True)
    for key, value in found.network.state_dict().items():
        assert torch.equal(value, wanted["params_ema"][key])
        assert value.numel() == 0 or not torch.equal(value, wanted["params"][key])
    torch.save({"params": wanted["params"]}, run / "models/net_g_best.pth")
    assert load_trained("tiny").part == "params"


def test_the_command_line_of_a_run_changes_its_network(tmp_path: Path) -> None:
    run = write_run(tmp_path / "tiny", {**EDSR, "num_feat": 12, "upscale": 3}, scale=3)
    (file,) = run.glob("*.yml")
    options = yaml.safe_load(file.read_text(encoding="utf-8"))
    options["network_g"] |= {"num_feat": 8, "upscale": 2}
    changes = "name=x network_g:num_feat=12 network_g:upscale=3 scale=3 train:scheduler:periods=[60, 60] --debug"
    head = f"# GENERATE TIME: now\n# CMD:\n# degflow train -opt a.yml --force_yml {changes}\n\n"
    file.write_text(head + yaml.safe_dump({**options, "scale": 2}), encoding="utf-8")
    assert load_trained(str(run)).scale == 3


WHOLE = "network_g={type: EDSR, num_in_ch: 3, num_out_ch: 3, num_feat: 8, num_block: 1, upscale: 2, res_scale: 0.25}"


@pytest.mark.parametrize(("entries", "quoted"), [
    ([WHOLE], True), ([WHOLE], False), (["network_g:res_scale =0.25", "name=a b"], True),
    (["network_g:res_scale =0.25", "name=a b"], False), (["name=x", "network_g: res_scale=0.25"], True),
    (["network_g:rgb_mean=[0.1, -0.2, 0.3]", "network_g:res_scale=0.25"], True),
    (["network_g:rgb_mean=[0.1, -0.2, 0.3]", "network_g:res_scale=0.25"], False),
])  # fmt: skip
def test_the_command_line_is_read_as_training_reads_it(
    entries: list[str], quoted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Quoted, as copies are written here; without, as BasicSR's own copies are."""
    run = write_run(tmp_path / "tiny", {**EDSR, "res_scale": 1}, scale=2)
    (file,) = run.glob("*.yml")
    monkeypatch.setattr(sys, "argv", ["degflow train", "-opt", str(file), "--force_yml", *entries, "--debug"])
    if quoted:
        copy_opt_file(str(file), str(run))
    else:
        command = " ".join(sys.argv)
        file.write_text(f"# GENERATE TIME: now\n# CMD:\n# {command}\n\n" + file.read_text(encoding="utf-8"), "utf-8")
    assert load_trained(str(run)).network.body[0].res_scale == 0.25


def test_weights_may_be_anywhere_with_their_option_file(tmp_path: Path) -> None:
    run = write_run(tmp_path / "tiny", EDSR, scale=2)
    weights = torch.load(run / "models/net_g_2.pth", weights_only=True)["params_ema"]
    (tmp_path / "sent").mkdir()
    save_file(weights, tmp_path / "sent/edsr.safetensors")
    shutil.copy(run / "tiny.yml", tmp_path / "sent")
    found = load_trained(str(tmp_path / "sent/edsr.safetensors"))
    assert (found.scale, found.part) == (2, "")
    assert all(torch.equal(weights[key], value) for key, value in found.network.state_dict().items())


def test_the_highest_scale_of_training_is_told(tmp_path: Path) -> None:
    assert load_trained(str(write_run(tmp_path / "a", LIIF))).highest is None
    assert load_trained(str(write_run(tmp_path / "b", LIIF, degflow={"scale_range": [1, 2.9]}))).highest == 2.9


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"network_g": {"type": "LIFF"}}, "'LIFF'; did you mean 'LIIF'"),
        ({"network_g": {**EDSR, "num_feat": 16}}, "expected weights of this EDSR"),
        ({"network_g": {**EDSR, "num_faet": 16}}, "num_faet"),
        ({"network_g": {"type": "ResidualAutoencoder"}}, "degflow generate and preview use its bundle"),
        ({"network_g": {**EDSR, "num_in_ch": 1, "num_out_ch": 1}}, "images of 3 channels"),
        ({"scale": 4}, "expected an image of 64x64"),
        ({"scale": None}, "expected scale in"),
    ],
)
def test_runs_that_do_not_fit_are_one_sentence(changes: Mapping[str, Any], said: str, tmp_path: Path) -> None:
    run = write_run(tmp_path / "tiny", EDSR, scale=2)
    (file,) = run.glob("*.yml")
    file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text(encoding="utf-8")), **changes}), encoding="utf-8")
    with pytest.raises(ValueError, match="expected") as refusal:
        load_trained(str(run))
    assert said in str(refusal.value)


def test_what_is_no_run_is_one_sentence(tmp_path: Path) -> None:
    run = write_run(tmp_path / "tiny", EDSR, scale=2)
    (file,) = run.glob("*.yml")
    file.unlink()
    with pytest.raises(ValueError, match=r"expected the option file of its run at .*NAME\.yml or beside"):
        load_trained(str(run / "models/net_g_2.pth"))
    shutil.rmtree(run / "models")
    for name in (str(run), "city100-iphone", str(bundle_path("simulator"))):
        with pytest.raises(ValueError, match=r"expected (--model as|a trained network as --model)"):
            load_trained(name)
