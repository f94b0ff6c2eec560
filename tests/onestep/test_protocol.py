"""``test_onestep.yml`` measures a trained system on the sets of the protocol, here small ones of the same form."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from helpers.onestep_networks import tiny_network
from helpers.photographs import photograph
from helpers.tiny_sr import register

pytest.importorskip("basicsr", reason="option files are BasicSR's")
pytest.importorskip("diffusers", reason="the extra onestep is not installed")
register()

from benchmarks.onestep.tiny import OPTIONS  # noqa: E402
from degflow_aug.cli import main  # noqa: E402
from degflow_aug.data.tensors import to_array, to_tensor  # noqa: E402
from degflow_aug.degradations.grid import resize  # noqa: E402
from degflow_aug.files.image_file import read_image, write_image  # noqa: E402
from degflow_aug.files.tensor_file import write_checkpoint  # noqa: E402
from degflow_aug.onestep.restoration.restoration import Restorer  # noqa: E402
from degflow_aug.options.yaml_file import load_yaml  # noqa: E402

WITH_WEIGHTS = ("lpips", "niqe", "dists", "musiq", "maniqa", "clipiqa", "topiq")


def test_the_protocol_is_run(tiny_backbones: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    opt = load_yaml(OPTIONS / "test_onestep.yml")
    for number, section in enumerate(opt["datasets"].values()):
        hr = photograph(number, 64, 64)
        write_image(_made(section["dataroot_gt"]), hr)
        lr = resize(to_tensor(hr)[None], (16, 16)).clamp(0, 1)[0]
        write_image(_made(section["dataroot_lq"]), to_array(lr))
    network = tiny_network("omgsr_s", tiny_backbones)
    checkpoint = Path(opt["path"]["pretrain_network_g"])
    checkpoint.parent.mkdir(parents=True)
    write_checkpoint(
        checkpoint, {"params": network.trained_state(), "spec": {"network": network.spec, "time": network.time}}
    )
    opt["network_g"] |= {"pretrained": str(tiny_backbones / "sd"), "rank": 4, "encoder_rank": 4, "dtype": "float32"}
    opt["degflow"]["amp"] = "none"
    opt["num_gpu"] = 0
    # These ask for weights that are downloaded.
    removed = [opt["val"]["metrics"].pop(name)["type"] for name in WITH_WEIGHTS]
    assert len(removed) == 7
    Path("test.yml").write_text(yaml.safe_dump(opt, sort_keys=False), encoding="utf-8")
    assert main(["test", "-opt", "test.yml"]) == 0
    results = Path("results/test_onestep")
    for section in opt["datasets"].values():
        (file,) = (results / "validation").glob(f"{section['name']}_*.json")
        assert set(json.loads(file.read_text())["mean"]) == {"psnr", "ssim"}
    with torch.no_grad():
        lr = to_tensor(read_image(Path(opt["datasets"]["test_1"]["dataroot_lq"]) / "a.png"))[None]
        expected = to_array(Restorer(network)(lr, (64, 64))[0])
    (image,) = (results / "visualization/RealSR").glob("*.png")
    assert np.abs(read_image(image).astype(int) - expected.astype(int)).max() <= 1


def _made(folder: str) -> Path:
    Path(folder).mkdir(parents=True)
    return Path(folder) / "a.png"
