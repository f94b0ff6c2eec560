"""``degflow upscale``: images and folders of any size, gone on with, and refused in a sentence."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.onestep_networks import tiny_network
from helpers.photographs import photograph, write_photographs
from helpers.refusals import but_for, refused

pytest.importorskip("diffusers", reason="the extra onestep is not installed")
pytest.importorskip("peft", reason="the extra onestep is not installed")

from degflow_aug.cli import main
from degflow_aug.data.tensors import to_array, to_tensor
from degflow_aug.files.image_file import read_image, write_image
from degflow_aug.files.tensor_file import write_checkpoint
from degflow_aug.onestep.onestep_checkpoint import load_system
from degflow_aug.onestep.restoration.restoration import Restorer

pytestmark = pytest.mark.usefixtures("in_folder")


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def model(tiny_backbones: Path, tmp_path: Path) -> Path:
    """A checkpoint of OMGSR-F in a run's folder."""
    return write_model(tmp_path / "experiments/tiny/models/net_g_200.pth", tiny_backbones)


def write_model(file: Path, backbones: Path, kind: str = "omgsr_f", **spec: Any) -> Path:
    network = tiny_network(kind, backbones)
    file.parent.mkdir(parents=True, exist_ok=True)
    content = {"system": "OMGSRModel", "network": network.spec, "time": network.time, "scale": 4.0}
    write_checkpoint(file, {"params": network.trained_state(), "spec": {**content, "colour_fix": "adain", **spec}})
    return file


def upscale(*words: object) -> int:
    return main(["upscale", *map(str, words)])


def test_one_image_is_what_the_network_makes(model: Path, tiny_backbones: Path) -> None:
    write_image(Path("photo.png"), photograph(0, 17, 22))
    assert upscale("photo.png", "large.png", "--model", model) == 0
    network = tiny_network("omgsr_f", tiny_backbones)
    expected = Restorer(network)(to_tensor(read_image("photo.png"))[None], (68, 88))
    found = read_image("large.png").astype(int)
    assert found.shape == (68, 88, 3)
    assert np.abs(found - to_array(expected[0]).astype(int)).max() <= 1


@pytest.mark.parametrize("name", ["tiny", "experiments/tiny", "experiments/tiny/models/net_g_200.pth"])
def test_a_model_is_a_run_its_folder_or_a_file(name: str, model: Path) -> None:
    assert load_system(name).file.resolve() == model.resolve()


def test_published_weights_may_lie_elsewhere(tiny_backbones: Path, tmp_path: Path) -> None:
    network = {**tiny_network("omgsr_f", tiny_backbones).spec, "pretrained": "gone/away"}
    file = write_model(tmp_path / "moved.pth", tiny_backbones, network=network)
    assert load_system(str(file), pretrained=str(tiny_backbones / "flux")).scale == 4


@pytest.mark.parametrize(("scale", "size"), [(None, (64, 80)), ("1", (16, 20)), ("2.5", (40, 50))])
def test_any_scale(scale: str | None, size: tuple[int, int], model: Path) -> None:
    write_image(Path("photo.png"), photograph(0, 16, 20))
    assert upscale("photo.png", "large.png", "--model", model, *(["--scale", scale] if scale else [])) == 0
    assert read_image("large.png").shape == (*size, 3)


def test_a_folder_is_gone_on_with(model: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    write_photographs(tmp_path / "lr" / "deeper", 3, height=16, width=16)
    (tmp_path / "lr" / "bad.png").write_bytes(b"no image")
    assert upscale("lr", "sr", "--model", model) == 1
    assert "3 images at x4 (0 were there), 1 skipped" in capsys.readouterr().out
    made = {path.name: path.read_bytes() for path in sorted(Path("sr/deeper").glob("*.png"))}
    assert sorted(made) == ["00.png", "01.png", "02.png"]
    Path("sr/deeper/01.png").unlink()
    Path("sr/deeper/02.png").write_bytes(made["02.png"][:-1])
    Path("lr/bad.png").unlink()
    assert upscale("lr", "sr", "--model", model, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["images"], told["there_before"], told["skipped"]) == (2, 1, [])
    assert {path.name: path.read_bytes() for path in sorted(Path("sr/deeper").glob("*.png"))} == made
    assert upscale("lr", "sr", "--model", model, "--scale", "2") == 2
    assert "expected to continue with scales" in capsys.readouterr().err


def test_tiles_and_colours_are_options(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_image(Path("photo.png"), photograph(0, 24, 40))
    for number, more in enumerate((["--tile", "64"], ["--tile", "0"], ["--tile", "512"], ["--colour", "wavelet"])):
        assert upscale("photo.png", f"{number}.png", "--model", model, *more) == 0
    assert "no larger than a tile of 512" in capsys.readouterr().err
    images = [read_image(f"{number}.png").astype(int) for number in range(4)]
    assert np.array_equal(images[1], images[2])
    assert not np.array_equal(images[0], images[1])
    assert not np.array_equal(images[3], images[1])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["photo.png", "out", "--scale", "0.5"], "--scale from 1"),
        (["photo.png", "out", "--scale", "40"], "--scale from 1 to 16"),
        (["photo.png", "out", "--tile", "12"], "--tile"),
        (["photo.png", "out", "--tile", "wide"], "--tile"),
        (["photo.png", "out", "--colour", "adian"], "adain"),
        (["photo.png", "photo.png"], "apart from the images"),
        (["lr", "sr.png"], "name a folder as OUT"),
        (["nothing.png", "out"], "nothing.png"),
        (["photo.png", "large.jpg"], ".png file"),
        (["photo.png", "folder.png"], "the folder"),
        (["photo.png", "out", "--model", "nowhere.pth"], "expected --model"),
        (["photo.png", "out", "--model", "rae.pth"], "expected the option file of its run"),
    ],
)
def test_mistakes_are_one_sentence(
    words: list[str], said: str, model: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    write_image(Path("photo.png"), photograph(0))
    write_photographs(tmp_path / "lr", 1)
    Path("folder.png").mkdir()
    write_checkpoint(Path("rae.pth"), {"params": {"a": torch.zeros(1)}, "spec": {"type": "RAE"}})
    assert said in refused(capsys, "upscale", *words[:2], *but_for(["--model", model], words), *words[2:])
    assert not Path("out").exists()


def test_in_half_precision_it_makes_what_was_validated(tiny_backbones: Path, tmp_path: Path) -> None:
    """LoRA stays beside weights that would round it away."""
    network = tiny_network("omgsr_f", tiny_backbones, dtype="bf16")
    file = write_model(tmp_path / "half.pth", tiny_backbones, network=network.spec)
    lr = to_tensor(photograph(0, 16, 20))[None]
    with torch.no_grad():
        trained = network.trained_state()
        loaded = load_system(str(file)).network
        network.load_trained_state({**trained, **torch.load(file, weights_only=True)["params"]})
    assert torch.equal(Restorer(loaded)(lr, (64, 80)), Restorer(network)(lr, (64, 80)))


@pytest.mark.parametrize(
    "spec",
    [
        {"scale": None}, {"scale": 0}, {"scale": "x"}, {"colour_fix": "red"}, {"time": "x"}, {"time": 5000},
        {"time": None}, {"time": True}, {"enlargement": 3}, {"network": {"type": "OneStepFlux"}},
        {"network": {"type": "OneStepFlux", "pretrained": "x", "widht": 3}}, {"params": []}, {"params": {}},
        {"params": {"prompt.embeds": torch.zeros(1, 2, 32)}},
    ],
)  # fmt: skip
def test_damaged_checkpoints_are_one_sentence(
    spec: dict[str, Any], tiny_backbones: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_image(Path("photo.png"), photograph(0))
    file = write_model(tmp_path / "bad.pth", tiny_backbones, **{k: v for k, v in spec.items() if k != "params"})
    if "params" in spec:
        write_checkpoint(file, {**torch.load(file, weights_only=True), **spec})
    said = "expected" if "params" in spec else "in the checkpoint"
    assert said in refused(capsys, "upscale", "photo.png", "out", "--model", file)


def test_a_folder_is_not_continued_with_other_weights(
    model: Path, tiny_backbones: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_photographs(tmp_path / "lr", 1, height=16, width=16)
    assert upscale("lr", "sr", "--model", model) == 0
    other = shutil.copytree(tiny_backbones / "flux", tmp_path / "other")
    assert "continue with published" in refused(capsys, "upscale", "lr", "sr", "--model", model, "--pretrained", other)
