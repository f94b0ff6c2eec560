"""What is missing or does not fit is one sentence, before any weight is read."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

pytest.importorskip("diffusers", reason="the extra onestep is not installed")
pytest.importorskip("peft", reason="the extra onestep is not installed")

from degflow_aug.onestep.flowsr.caption_alignment import CaptionAlignment
from degflow_aug.onestep.networks import packages
from degflow_aug.onestep.networks.chunked_discriminator_arch import OverlapChunkedDiscriminator
from degflow_aug.onestep.networks.onestep_arch import OneStepFlux, OneStepUNet
from degflow_aug.onestep.networks.parts import load_parts


def one_sentence(error: pytest.ExceptionInfo[ValueError]) -> str:
    said = str(error.value)
    assert said.startswith("expected ")
    assert "got" in said
    assert "\n" not in said
    return said


def test_missing_extra(tiny_backbones: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "find_spec", lambda name: None)
    for make in (
        lambda: OneStepUNet(str(tiny_backbones / "sd")),
        lambda: OneStepFlux.check_arguments(str(tiny_backbones / "flux")),
        lambda: OverlapChunkedDiscriminator(str(tiny_backbones / "dino")),
        lambda: CaptionAlignment(str(tiny_backbones / "clip")),
    ):
        with pytest.raises(ValueError, match=r"pip install 'degflow_aug\[onestep\]'") as error:
            make()
        one_sentence(error)


@pytest.mark.parametrize("lost", ["vae", "unet", "scheduler", "vae/*.safetensors", "unet/*.safetensors"])
def test_what_is_missing(lost: str, tiny_backbones: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_backbones / "sd", tmp_path / "sd"))
    (gone,) = folder.glob(lost)
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    with pytest.raises(ValueError, match=lost.partition("/")[0]) as error:
        load_parts(str(folder), "unet")
    assert str(folder) in one_sentence(error)


def test_a_vae_of_another_backbone(tiny_backbones: Path) -> None:
    for family, own, other in (("unet", "sd", "flux"), ("flux", "flux", "sd")):
        with pytest.raises(ValueError, match="latent channels") as error:
            load_parts(str(tiny_backbones / own), family, vae=str(tiny_backbones / other / "vae"))
        one_sentence(error)


def test_a_backbone_with_further_conditions(tiny_backbones: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_backbones / "sd", tmp_path / "sd"))
    file = folder / "unet" / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "addition_embed_type": "text_time"}))
    with pytest.raises(ValueError, match="SDXL") as error:
        OneStepUNet.check_arguments(str(folder))
    one_sentence(error)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"blocks": [3]}, "blocks below 3"), ({"blocks": 1}, "blocks"), ({"blocks": "012"}, "blocks"),
        ({"blocks": [1.0]}, "blocks"), ({"blocks": []}, "blocks"), ({"chunk": 30}, "multiple of 14"),
        ({"chunk": "28"}, "chunk"), ({"width": 0}, "width"),
    ],
)  # fmt: skip
def test_a_discriminator_that_cannot_be(arguments: dict[str, Any], said: str, tiny_backbones: Path) -> None:
    with pytest.raises(ValueError, match=said) as error:
        OverlapChunkedDiscriminator.check_arguments(
            str(tiny_backbones / "dino"), **{"blocks": [0], "chunk": 28, **arguments}
        )
    one_sentence(error)


@pytest.mark.parametrize(
    ("make", "other"), [(OverlapChunkedDiscriminator.check_arguments, "clip"), (CaptionAlignment, "dino")]
)
def test_what_is_no_such_model(make: Callable[[str], object], other: str, tiny_backbones: Path, tmp_path: Path) -> None:
    for folder, said in ((tmp_path, "expected a (DINOv2|CLIP)"), (tiny_backbones / other, f"got {other}")):
        with pytest.raises(ValueError, match=said) as error:
            make(str(folder))
        one_sentence(error)


def test_sizes_are_read_from_the_configuration(tiny_backbones: Path) -> None:
    assert OneStepUNet.image_multiple(str(tiny_backbones / "sd")) == 16
    assert OneStepFlux.image_multiple(str(tiny_backbones / "flux")) == 16
    parts = load_parts(str(tiny_backbones / "sd"), "unet", dtype="bf16")
    assert parts.backbone.model.dtype == torch.bfloat16
    assert not any(parameter.requires_grad for parameter in parts.backbone.parameters())
    assert parts.backbone.alpha_bars[273].sqrt().item() == pytest.approx(0.7973, abs=1e-4)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("vae/config.json", [1]),
        ("vae/config.json", {"latent_channels": 4, "block_out_channels": 3}),
        ("unet/config.json", {"block_out_channels": "wide"}),
        ("scheduler/scheduler_config.json", {}),
        ("scheduler/scheduler_config.json", {"beta_start": 0.1, "beta_end": 0.2, "beta_schedule": "wavy"}),
        ("scheduler/scheduler_config.json", {"beta_start": "x", "beta_end": 0.2, "beta_schedule": "linear"}),
    ],
)
def test_damaged_configurations(file: str, content: Any, tiny_backbones: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_backbones / "sd", tmp_path / "sd"))
    (folder / file).write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ValueError, match="expected") as error:
        OneStepUNet.check_arguments(str(folder))
    one_sentence(error)


def test_weights_that_lack_some(tiny_backbones: Path, tmp_path: Path) -> None:
    """Libraries would leave them empty, or fill them with random numbers."""
    for name, load in (
        ("sd/unet/diffusion_pytorch_model", lambda folder: load_parts(str(folder / "sd"), "unet")),
        ("dino/model", lambda folder: OverlapChunkedDiscriminator(str(folder / "dino"), blocks=[0], chunk=28)),
        ("clip/model", lambda folder: CaptionAlignment(str(folder / "clip"))),
    ):
        folder = Path(shutil.copytree(tiny_backbones, tmp_path / name.partition("/")[0]))
        file = folder / f"{name}.safetensors"
        weights = load_file(file)
        lost = sorted(key for key in weights if key.endswith("weight"))[-1]
        save_file({key: value for key, value in weights.items() if key != lost}, file, {"format": "pt"})
        with pytest.raises(ValueError, match="expected all weights") as error:
            load(folder)
        assert lost in one_sentence(error)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"pretrained": None}, "pretrained"), ({"vae": 3}, "vae"), ({"prompt": 3}, "prompt"),
        ({"prompt": None}, "prompt"), ({"gradient_checkpointing": "no"}, "gradient_checkpointing"),
        ({"rank": 0}, "rank"), ({"rank": "4"}, "rank"), ({"rank": -1}, "rank"), ({"rank": True}, "rank"),
        ({"dtype": "fp8"}, "dtype"), ({"prediction": "x0"}, "noise"),
    ],
)  # fmt: skip
def test_arguments_of_a_backbone(arguments: dict[str, Any], said: str, tiny_backbones: Path) -> None:
    with pytest.raises(ValueError, match=f"expected network_g.*{said}") as error:
        OneStepUNet.check_arguments(**{"pretrained": str(tiny_backbones / "sd"), **arguments})
    one_sentence(error)


def test_flux_predicts_velocities(tiny_backbones: Path) -> None:
    for make in (OneStepFlux, OneStepFlux.check_arguments):
        with pytest.raises(ValueError, match="velocity"):
            make(str(tiny_backbones / "flux"), prediction="noise")
