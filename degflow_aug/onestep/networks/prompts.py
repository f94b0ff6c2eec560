"""The fixed prompt of a one-step system, encoded once: text encoders are read, run, and never kept."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from degflow_aug.files.tensor_file import load_safetensors
from degflow_aug.files.writing import atomic_path
from degflow_aug.onestep.networks.packages import in_one_line, need_packages

Prompt = dict[str, Tensor]
"""``embeds`` (1, L, D), and of FLUX ``pooled`` (1, D')."""


def prompt_of(pretrained: str, family: str, text: str, file: str | None = None) -> Prompt:
    """The embedding of ``text`` by the text encoders of a backbone, from the cache where it has been made before.

    Args:
        pretrained: folder or hub id.
        family: unet or flux.
        text: the prompt; OMGSR's and FluxSR's is empty.
        file: read the embedding from here instead; a safetensors file with ``embeds`` and perhaps ``pooled``.

    Raises:
        ValueError: no text encoders, or another kind of file.
    """
    if file:
        return read_prompt(file)
    cached = cache_folder() / f"{_key(pretrained, family, text)}.safetensors"
    # What is damaged there, or cannot be kept, is no reason to fail.
    with suppress(ValueError):
        return read_prompt(str(cached))
    prompt = encode_prompt(pretrained, family, text)
    with suppress(OSError):
        write_prompt(cached, prompt)
    return prompt


def encode_prompt(pretrained: str, family: str, text: str) -> Prompt:
    """Run the text encoders once, through the pipeline of diffusers that belongs to the backbone.

    Raises:
        ValueError: they are not there.
    """
    need_packages("prompts")
    from diffusers import FluxPipeline, StableDiffusionPipeline

    try:
        with torch.no_grad():
            if family == "flux":
                pipeline = FluxPipeline.from_pretrained(pretrained, transformer=None, vae=None)
                embeds, pooled, _ = pipeline.encode_prompt(text, None, device="cpu")
                return {"embeds": embeds.float(), "pooled": pooled.float()}
            pipeline = StableDiffusionPipeline.from_pretrained(
                pretrained, unet=None, vae=None, safety_checker=None, feature_extractor=None, image_encoder=None
            )
            return {"embeds": pipeline.encode_prompt(text, "cpu", 1, False)[0].float()}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise ValueError(
            f"expected the text encoders of {pretrained} for the prompt, got {in_one_line(error)}; or name an "
            "embedding in prompt_file"
        ) from None


def read_prompt(file: str) -> Prompt:
    """An embedding from its file.

    Raises:
        ValueError: nothing there, or no embedding.
    """
    from safetensors import SafetensorError

    try:
        found = load_safetensors(file)
    except (OSError, SafetensorError):
        raise ValueError(f"expected a prompt's embedding in {file} (safetensors), got none") from None
    embeds, pooled = found.get("embeds", torch.zeros(0)), found.get("pooled", torch.zeros(1, 1))
    if embeds.ndim != 3 or pooled.ndim != 2 or len(embeds) != 1 or len(pooled) != 1:
        raise ValueError(f"expected embeds (1, L, D) and for FLUX pooled (1, D) in {file}, got {', '.join(found)}")
    return {key: value for key, value in found.items() if key in ("embeds", "pooled")}


def write_prompt(file: str | Path, prompt: Prompt) -> None:
    """Keep an embedding, whole or not at all."""
    from safetensors.torch import save

    Path(file).parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(file) as partial:
        partial.write_bytes(save({key: value.contiguous() for key, value in prompt.items()}))


def check_prompt(prompt: Prompt, backbone: dict[str, Any]) -> None:
    """Look whether an embedding has the widths that a backbone's configuration names.

    Raises:
        ValueError: it has not.
    """
    flux = "joint_attention_dim" in backbone
    wanted = {"embeds": backbone["joint_attention_dim" if flux else "cross_attention_dim"]}
    if flux:
        wanted["pooled"] = backbone["pooled_projection_dim"]
    found = {key: prompt[key].shape[-1] for key in wanted if key in prompt}
    if found != wanted:
        raise ValueError(f"expected a prompt's embedding of widths {wanted} for this backbone, got {found}")


def cache_folder() -> Path:
    """Where embeddings are kept: ``XDG_CACHE_HOME/degflow_aug/prompts``."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "degflow_aug" / "prompts"


def _key(pretrained: str, family: str, text: str) -> str:
    """Of a folder also its text encoders' files by name, size and date, so that another model there is another key."""
    folder, parts = Path(pretrained), [family, text]
    if folder.is_dir():
        files = sorted(file for file in folder.glob("text_encoder*/*") if file.is_file())
        stats = [(file, file.stat()) for file in files]
        parts += [str(folder.resolve()), *(f"{file.name} {stat.st_size} {stat.st_mtime_ns}" for file, stat in stats)]
    else:
        parts.append(pretrained)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
