"""The fixed prompt: encoded as diffusers' pipelines do, kept in a file, and taken from it the next time."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

pytest.importorskip("diffusers", reason="the extra onestep is not installed")

from degflow_aug.onestep.networks import prompts
from degflow_aug.onestep.networks.prompts import encode_prompt, prompt_of, read_prompt, write_prompt


def test_it_is_what_the_text_encoder_says(tiny_backbones: Path) -> None:
    from transformers import CLIPTextModel, CLIPTokenizer

    text = "a sharp photo"
    tokenizer = CLIPTokenizer.from_pretrained(tiny_backbones / "sd" / "tokenizer")
    encoder = CLIPTextModel.from_pretrained(tiny_backbones / "sd" / "text_encoder")
    tokens = tokenizer(text, padding="max_length", max_length=77, return_tensors="pt").input_ids
    with torch.no_grad():
        expected = encoder(tokens).last_hidden_state
    found = encode_prompt(str(tiny_backbones / "sd"), "unet", text)
    assert torch.allclose(found["embeds"], expected, atol=1e-5)
    assert not torch.allclose(found["embeds"], encode_prompt(str(tiny_backbones / "sd"), "unet", "")["embeds"])


def test_flux_has_two(tiny_backbones: Path) -> None:
    found = encode_prompt(str(tiny_backbones / "flux"), "flux", "")
    assert found["embeds"].shape == (1, 512, 32)
    assert found["pooled"].shape == (1, 16)


def test_it_is_encoded_once(tiny_backbones: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = prompt_of(str(tiny_backbones / "sd"), "unet", "once")

    def never(*_: object) -> None:
        raise AssertionError("encoded twice")

    monkeypatch.setattr(prompts, "encode_prompt", never)
    assert torch.equal(prompt_of(str(tiny_backbones / "sd"), "unet", "once")["embeds"], first["embeds"])
    with pytest.raises(AssertionError, match="twice"):
        prompt_of(str(tiny_backbones / "sd"), "unet", "another")


def test_a_file_of_an_embedding(tmp_path: Path) -> None:
    embedding = {"embeds": torch.rand(1, 5, 8), "pooled": torch.rand(1, 4)}
    write_prompt(tmp_path / "prompt.safetensors", embedding)
    found = prompt_of("nowhere", "flux", "", str(tmp_path / "prompt.safetensors"))
    assert all(torch.equal(found[key], embedding[key]) for key in embedding)
    (tmp_path / "bad.safetensors").write_bytes(b"no tensors")
    for file in ("bad.safetensors", "none.safetensors"):
        with pytest.raises(ValueError, match="prompt's embedding"):
            read_prompt(str(tmp_path / file))


def test_an_embedding_of_another_backbone(tiny_backbones: Path, tmp_path: Path) -> None:
    from degflow_aug.onestep.networks.onestep_arch import OneStepFlux

    write_prompt(tmp_path / "prompt.safetensors", {"embeds": torch.rand(1, 5, 8)})
    with pytest.raises(ValueError, match="widths"):
        OneStepFlux.check_arguments(str(tiny_backbones / "flux"), prompt_file=str(tmp_path / "prompt.safetensors"))


def test_without_text_encoders(tiny_backbones: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="prompt_file"):
        encode_prompt(str(tmp_path), "unet", "")


def test_a_cache_that_is_damaged_or_closed_is_passed_over(
    tiny_backbones: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = prompt_of(str(tiny_backbones / "sd"), "unet", "kept")
    (cached,) = tmp_path.rglob("*.safetensors")
    cached.write_bytes(b"half")
    assert torch.equal(prompt_of(str(tiny_backbones / "sd"), "unet", "kept")["embeds"], first["embeds"])
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert torch.equal(prompt_of(str(tiny_backbones / "sd"), "unet", "kept")["embeds"], first["embeds"])


@pytest.mark.parametrize("shape", [(2, 5, 32), (5, 32)])
def test_an_embedding_is_of_one_prompt(shape: tuple[int, ...], tmp_path: Path) -> None:
    write_prompt(tmp_path / "prompt.safetensors", {"embeds": torch.rand(shape)})
    with pytest.raises(ValueError, match="expected embeds"):
        read_prompt(str(tmp_path / "prompt.safetensors"))
