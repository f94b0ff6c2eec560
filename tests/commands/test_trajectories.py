"""``degflow trajectories``: FLUX's noise and images on disk, gone on with, and as FluxSR is trained on them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.refusals import but_for, refused
from safetensors.torch import load_file, save_file

pytest.importorskip("diffusers", reason="the extra onestep is not installed")

from degflow_aug.cli import main
from degflow_aug.data.tensors import to_tensor
from degflow_aug.draws import SampleDraw
from degflow_aug.files.image_file import read_image, write_image
from degflow_aug.onestep.fluxsr.noise_image_dataset import NoiseImageDataset
from degflow_aug.onestep.fluxsr.noise_image_pairs import load_pipeline, trajectory
from degflow_aug.onestep.networks.backbones import pack, unpack


@pytest.fixture(scope="module")
def samples(tiny_backbones: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples") / "flux"
    assert make(folder, tiny_backbones) == 0
    return folder


def make(folder: Path, backbones: Path, *more: str, count: int = 3) -> int:
    words = ["trajectories", str(folder), "--pretrained", str(backbones / "flux"), "--count", str(count)]
    return main([*words, "--size", "64", "--steps", "2", "--device", "cpu", *more])


def section(folder: Path, **more: Any) -> dict[str, Any]:
    return {"type": "NoiseImageDataset", "dataroot_gt": str(folder), "gt_size": 32, "phase": "train", **more}


def test_the_ends_of_a_flow_belong_together(samples: Path, tiny_backbones: Path) -> None:
    """The image is what the latents decode to, and the latents are where the pipeline leads the noise."""
    pipeline = load_pipeline(str(tiny_backbones / "flux"), torch.device("cpu"), torch.float32)
    tensors = {key: value.float() for key, value in load_file(samples / "000001.safetensors").items()}
    noise, latents = tensors["eps"], tensors["z0"]
    assert noise.shape == latents.shape == (16, 8, 8)
    assert noise.std().item() == pytest.approx(1, abs=0.1)
    config = pipeline.vae.config
    with torch.no_grad():
        decoded = pipeline.vae.decode(latents[None] / config.scaling_factor + config.shift_factor).sample[0]
    image = to_tensor(read_image(samples / "000001.png"))
    assert (image - ((decoded + 1) / 2).clamp(0, 1)).abs().max() < 0.03
    prompt = "a photo of a brick house with a tiled roof and trees"
    ends = pipeline(
        prompt, height=64, width=64, num_inference_steps=2, guidance_scale=3.5, latents=pack(noise[None]),
        output_type="latent",
    ).images  # fmt: skip
    assert torch.allclose(unpack(ends, 8, 8)[0], latents, atol=0.02)


def test_more_are_added_and_the_same_seed_is_the_same(samples: Path, tiny_backbones: Path, tmp_path: Path) -> None:
    assert make(tmp_path / "flux", tiny_backbones, count=1) == 0
    first = (tmp_path / "flux/000000.png").stat()
    assert make(tmp_path / "flux", tiny_backbones, count=2) == 0
    assert (tmp_path / "flux/000000.png").stat().st_mtime_ns == first.st_mtime_ns
    for name in ("000000.png", "000001.png"):
        assert (tmp_path / "flux" / name).read_bytes() == (samples / name).read_bytes()


@pytest.mark.parametrize("harm", ["gone", "cut off", "other size"])
def test_a_half_made_sample_is_made_again(tiny_backbones: Path, tmp_path: Path, harm: str) -> None:
    assert make(tmp_path / "flux", tiny_backbones, count=2) == 0
    whole = (tmp_path / "flux/000001.png").read_bytes()
    if harm == "gone":
        (tmp_path / "flux/000001.png").unlink()
    elif harm == "cut off":
        (tmp_path / "flux/000001.safetensors").write_bytes(whole[:50])
        (tmp_path / "flux/000000.png").write_bytes(whole[:-9])
    else:
        write_image(tmp_path / "flux/000001.png", np.zeros((32, 32, 3), np.uint8))
    (tmp_path / "flux/.000001.png.1.partial").write_bytes(b"half")
    assert make(tmp_path / "flux", tiny_backbones, count=2) == 0
    assert (tmp_path / "flux/000001.png").read_bytes() == whole
    assert not list((tmp_path / "flux").glob("*.partial"))


def test_a_crop_has_its_latents(samples: Path) -> None:
    dataset = NoiseImageDataset(section(samples))
    assert len(dataset) == 3
    item = dataset[SampleDraw(2, 5)]
    assert item["gt"].shape == (3, 32, 32)
    assert item["eps"].shape == item["z0"].shape == (16, 4, 4)
    again = dataset[SampleDraw(2, 5)]
    assert all(torch.equal(item[key], again[key]) for key in ("gt", "eps", "z0"))
    whole = NoiseImageDataset(section(samples, gt_size=64))[SampleDraw(2, 0)]
    found = [
        (top, left)
        for top in range(0, 5, 2)
        for left in range(0, 5, 2)
        if torch.equal(whole["z0"][:, top : top + 4, left : left + 4], item["z0"])
    ]
    ((top, left),) = found
    assert torch.equal(whole["gt"][:, 8 * top : 8 * top + 32, 8 * left : 8 * left + 32], item["gt"])


@pytest.mark.parametrize(
    ("more", "said"),
    [({"gt_size": 24}, "multiple of 16"), ({"gt_size": 128}, "up to 64"), ({"use_hflip": True}, "use_hflip")],
)
def test_sections_that_cannot_be(more: dict[str, Any], said: str, samples: Path) -> None:
    with pytest.raises(ValueError, match=said):
        NoiseImageDataset(section(samples, **more))[0]


def test_damaged_samples_are_named(samples: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="degflow trajectories"):
        NoiseImageDataset(section(tmp_path))
    for name in ("trajectories.json", "000000.png"):
        (tmp_path / name).write_bytes((samples / name).read_bytes())
    for content in (b"", None):
        file = tmp_path / "000000.safetensors"
        if content is None:
            save_file({"eps": torch.zeros(16, 8, 8), "z0": torch.zeros(16, 4, 4)}, file)
        else:
            file.write_bytes(content)
        with pytest.raises(ValueError, match=r"000000\.safetensors: expected"):
            NoiseImageDataset(section(tmp_path))[0]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--size", "40"], "multiple of 16"),
        (["--prompts", "none.txt"], "none.txt"),
        (["--guidance", "0"], "above 0"),
        (["--seed", "2"], "expected to continue with seed 0, got 2"),
    ],
)
def test_mistakes_are_one_sentence(
    more: list[str], said: str, samples: Path, tiny_backbones: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = but_for(["--pretrained", tiny_backbones / "flux", "--size", "64", "--steps", "2"], more)
    assert said in refused(capsys, "trajectories", samples, *words, *more)


def test_prompts_of_a_file(tiny_backbones: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "prompts.txt").write_text("a cat\n\na dog\n", encoding="utf-8")
    made = make(tmp_path / "flux", tiny_backbones, "--prompts", str(tmp_path / "prompts.txt"), "--json", count=1)
    assert made == 0
    assert json.loads(capsys.readouterr().out)["samples"] == 1
    pipeline = load_pipeline(str(tiny_backbones / "flux"), torch.device("cpu"), torch.float32)
    expected = trajectory(pipeline, "a cat", 64, 2, 3.5, 0)
    found = load_file(tmp_path / "flux/000000.safetensors")["z0"].float()
    assert torch.allclose(found, expected.latents, atol=5e-3)
