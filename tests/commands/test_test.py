"""``degflow test``: BasicSR's pipeline on whole images, its tables on stdout, mistakes in one sentence."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers.basicsr_experiment import write_experiment
from helpers.photographs import photograph
from helpers.refusals import refused

from degflow_aug import compat
from degflow_aug.cli import main
from degflow_aug.data.tensors import to_tensor
from degflow_aug.files.image_file import read_image, write_image

pytestmark = pytest.mark.skipif(not compat.has_basicsr(), reason="BasicSR is not installed")

PSNR = {"type": "calculate_psnr", "crop_border": 2, "test_y_channel": False}


class Nearest(torch.nn.Module):
    """Twofold nearest-neighbour enlargement times a weight."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = torch.nn.Parameter(torch.zeros(1))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.gain * image.repeat_interleave(2, 2).repeat_interleave(2, 3)


def register_model() -> None:
    """A model of ours: BasicSR's with validation by scale."""
    import degflow_aug

    degflow_aug.register()
    from basicsr.models.sr_model import SRModel
    from basicsr.utils.registry import ARCH_REGISTRY, MODEL_REGISTRY

    from degflow_aug.models.validation.sr_validation import SRValidation

    if "NearestModel" in MODEL_REGISTRY:
        return

    class NearestModel(SRValidation, SRModel):
        def super_resolve(self, lq: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
            return self.net_g(lq)

    ARCH_REGISTRY.register(Nearest)
    MODEL_REGISTRY.register(NearestModel)


def write_test(folder: Path, model_type: str = "NearestModel", **changes: Any) -> Path:
    """Pairs, weights and an option file for a test of them."""
    register_model()
    torch.save({"params": {"gain": torch.tensor([0.9])}}, folder / "weights.pth")
    section = {
        "name": "Pairs", "type": "PairedImageDataset", "io_backend": {"type": "disk"},
        "dataroot_gt": str(folder / "gt"), "dataroot_lq": str(folder / "lq"),
    }  # fmt: skip
    given: dict[str, Any] = {
        "model_type": model_type, "datasets": {"test_1": section}, "network_g": {"type": "Nearest"}, "train": None,
        "logger": None, "path": {"pretrain_network_g": str(folder / "weights.pth")}, "val": {"metrics": {"psnr": PSNR}},
    }  # fmt: skip
    path = write_experiment(folder, images=2, **{**given, **changes})
    for index in range(2):
        write_image(folder / "gt" / f"{index}.png", photograph(index, 40, 48))
        write_image(folder / "lq" / f"{index}.png", photograph(index, 40, 48)[::2, ::2])
    return path


def twice(lq: torch.Tensor) -> torch.Tensor:
    return 0.9 * lq.repeat_interleave(2, 1).repeat_interleave(2, 2)


def expected_psnr(folder: Path, enlarge: Callable[[torch.Tensor], torch.Tensor] = twice) -> float:
    """Mean over the images, by hand."""
    values = []
    for index in range(2):
        lq = to_tensor(read_image(folder / "lq" / f"{index}.png"))
        image = (enlarge(lq).clamp(0, 1) * 255).round()
        error = (image - to_tensor(read_image(folder / "gt" / f"{index}.png")) * 255)[:, 2:-2, 2:-2]
        values.append(10 * torch.log10(255**2 / error.double().square().mean()))
    return float(sum(values) / 2)


def test_the_table_is_printed_and_the_files_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_test(tmp_path)
    monkeypatch.chdir(tmp_path)
    argv = list(sys.argv)
    assert main(["test", "-opt", str(path), "--force_yml", "val:save_img=true", "num_gpu=0"]) == 0
    said = capsys.readouterr()
    psnr = f"{expected_psnr(tmp_path):.4f}"
    table = [line.split() for line in said.out.splitlines()]
    assert table == [
        ["Validation", "Pairs"], ["scale", "images", "psnr"], ["x2", "2", psnr], ["mean", psnr],
    ]  # fmt: skip
    results = tmp_path / "results" / "tiny"
    assert f"degflow: images are in {results / 'visualization'}" in said.err
    assert {file.name for file in (results / "visualization" / "Pairs").iterdir()} == {"0_x2.png", "1_x2.png"}
    written = json.loads((results / "validation" / "Pairs_tiny.json").read_text())
    assert f"{written['mean']['psnr']:.4f}" == psnr
    assert sys.argv == argv
    # A second test takes the first one's folder away, and says so elsewhere than among the results.
    assert main(["test", "-opt", str(path)]) == 0
    assert capsys.readouterr().out == said.out
    # BasicSR renames folders to the second, so the third test has a name of its own.
    assert main(["test", "-opt", str(path), "--force_yml", "name=machine", "--json"]) == 0
    machine = json.loads(capsys.readouterr().out)
    assert machine["results"] == str(tmp_path / "results" / "machine")
    assert machine["datasets"]["Pairs"]["scales"] == {"2": {"psnr": pytest.approx(expected_psnr(tmp_path), abs=1e-4)}}
    assert machine["tables"] == [said.out.rstrip()]


def test_basicsr_models_are_tested_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_test(tmp_path, "SRModel", val={"metrics": {"psnr": PSNR}, "save_img": True})
    monkeypatch.chdir(tmp_path)
    assert main(["test", "-opt", str(path)]) == 0
    assert f"# psnr: {expected_psnr(tmp_path):.4f}" in capsys.readouterr().out
    assert (tmp_path / "results" / "tiny" / "visualization" / "Pairs" / "0_tiny.png").is_file()


def test_checkpoints_of_the_authors_code_are_tested_too(
    tmp_path: Path, fixtures: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from degflow_aug import load_official, upscale

    network = load_official(fixtures / "official_liif.pth")
    section = {"type": "LIIF", **{key: network.spec[key] for key in ("encoder_spec", "imnet_spec")}}
    weights = {"pretrain_network_g": str(fixtures / "official_liif.pth"), "param_key_g": "params_ema"}
    path = write_test(tmp_path, "ArbitraryScaleSRModel", network_g=section, path=weights)
    monkeypatch.chdir(tmp_path)
    assert main(["test", "-opt", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["datasets"]["Pairs"]["mean"]["psnr"]
    assert found == pytest.approx(expected_psnr(tmp_path, lambda lq: upscale(network, lq[None], (40, 48))[0]), abs=1e-4)


def test_several_datasets_are_several_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_test(tmp_path)
    opt = json.loads(path.read_text())
    opt["datasets"]["test_2"] = {**opt["datasets"]["test_1"], "name": "Again"}
    opt["val"]["metrics"]["psnr"]["crop_border"] = "scale"
    path.write_text(json.dumps(opt))
    monkeypatch.chdir(tmp_path)
    assert main(["test", "-opt", str(path)]) == 0
    out = capsys.readouterr().out
    assert [line for line in out.splitlines() if "Validation" in line] == ["Validation Pairs", "Validation Again"]
    assert out.count(f"{expected_psnr(tmp_path):.4f}") == 4


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"val": None}, "expected val.metrics or val: save_img: true"),
        ({"val": {"save_img": False}}, "expected val.metrics or val: save_img: true"),
        ({"val": {"metrics": {"p": {**PSNR, "type": "calculate_pnsr"}}}}, "did you mean 'calculate_psnr'?"),
        ({"val": {"metrics": {"p": {**PSNR, "crop_border": -1}}}}, "number of pixels or the word scale"),
        ({"path": {}}, "expected path.pretrain_network_g"),
        ({"path__pretrain_network_g": "nowhere.pth"}, "expected a checkpoint at nowhere.pth"),
        ({"network_g": {"type": "Neerest"}}, "did you mean 'Nearest'?"),
        ({"datasets": {}}, "expected a section datasets.test_1"),
        ({"datasets": {"train": {"name": "a"}}}, "got datasets.train; a test runs on every dataset"),
        ({"datasets": {"test_1": {"type": "PairedImageDataset"}}}, "expected a name in datasets.test_1"),
        ({"datasets__test_1__type": "PairedImagesDataset"}, "did you mean 'PairedImageDataset'?"),
        ({"model_type": "NearesModel"}, "did you mean 'NearestModel'?"),
        ({"name": None}, "expected the key name"),
        ({"name": "a/b"}, "name of a folder, without slashes, got 'a/b'"),
        ({"datasets__test_2": {"name": "Pairs", "type": "X"}}, "its own in datasets.test_2, got 'Pairs', as in"),
        ({"datasets__test_1__type": "HRCropDataset"}, "expected LR images in datasets.test_1"),
    ],
)
def test_mistakes_are_one_sentence_and_leave_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, Any],
    sentence: str,
) -> None:
    path = write_test(tmp_path)
    opt = json.loads(path.read_text())
    for keys, value in changes.items():
        *sections, last = keys.split("__")
        section = opt
        for name in sections:
            section = section[name]
        section[last] = value
    path.write_text(json.dumps(opt))
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert sentence in refused(capsys, "test", "-opt", path)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ({"params": {"gain": torch.ones(2)}}, "those of another network or width: "),
        ({"params": {}}, "weights.pth, got a file that holds something else"),
        (None, "holds code"),
    ],
)
def test_other_weights_are_one_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    content: dict[str, Any] | None,
    part: str,
) -> None:
    path = write_test(tmp_path)
    if content is None:
        (tmp_path / "weights.pth").write_text("no weights")
    else:
        torch.save(content, tmp_path / "weights.pth")
    monkeypatch.chdir(tmp_path)
    assert main(["test", "-opt", str(path)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    last = said.err.splitlines()[-1]
    assert last.startswith("degflow: expected ")
    assert part in last


def test_a_degradation_is_not_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["test", "-opt", str(write_test(tmp_path, degradation={"type": "Bicubc", "bundle": "none"}))]) == 0


def test_a_mistake_in_force_yml(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(capsys, "test", "-opt", write_test(tmp_path), "--force_yml", "vall:save_img=true")
    assert "did you mean 'val'?" in said
