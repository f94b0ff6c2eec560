"""FLUX's samples on disk: an image, and beside it the noise that it was made from and the latents it decodes from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from degflow_aug.data.tensors import to_array
from degflow_aug.files.atomic_file import atomic_path, remove_partial
from degflow_aug.files.image_file import read_image, write_image

MANIFEST = "trajectories.json"
FORMAT = "degflow-trajectories-1"
LATENTS = ".safetensors"


def describe(
    pretrained: str, size: int, steps: int, guidance: float, seed: int, prompts: Sequence[str]
) -> dict[str, Any]:
    """What samples depend on, plain values."""
    listed = hashlib.sha256("\n".join(prompts).encode()).hexdigest()
    return {
        "pretrained": pretrained, "size": size, "steps": steps, "guidance": guidance, "seed": seed, "prompts": listed,
    }  # fmt: skip


class NoiseImages:
    """A folder that is filled sample by sample, and can be filled further.

    Args:
        root: made if it is missing.
        settings: see :func:`describe`; a folder holds samples of one kind.

    Raises:
        ValueError: the folder holds samples of other settings.
    """

    def __init__(self, root: Path, settings: Mapping[str, Any]) -> None:
        self.root, self.settings = root, settings
        remove_partial(root)
        path = root / MANIFEST
        there = read_manifest(root) if path.exists() else settings
        for key, value in settings.items():
            if there.get(key) != value:
                raise ValueError(
                    f"{path}: expected to continue with {key} {there.get(key)}, got {value}; repeat the former "
                    "command, or name another folder"
                )

    def has(self, number: int) -> bool:
        """Whether the sample is there; its image is written last."""
        return self._path(number, ".png").is_file() and self._path(number, LATENTS).is_file()

    def write(self, number: int, noise: Tensor, latents: Tensor, image: Tensor) -> None:
        """Write noise and latents (C, h, w), in half precision, then the image (3, H, W) in [0, 1].

        Raises:
            OSError: it cannot be written.
        """
        from safetensors.torch import save_file

        manifest = self.root / MANIFEST
        if not manifest.exists():
            # With the first sample: what could not be made at all shall pin nothing.
            self.root.mkdir(parents=True, exist_ok=True)
            with atomic_path(manifest) as partial:
                content = {"format": FORMAT, "settings": dict(self.settings)}
                partial.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
        tensors = {"eps": noise.half().contiguous(), "z0": latents.half().contiguous()}
        with atomic_path(self._path(number, LATENTS)) as partial:
            save_file(tensors, partial)
        write_image(self._path(number, ".png"), to_array(image))

    def _path(self, number: int, suffix: str) -> Path:
        return self.root / f"{number:06d}{suffix}"


def read_manifest(root: Path) -> dict[str, Any]:
    """Settings of a folder's samples.

    Raises:
        ValueError: no such folder.
    """
    path = root / MANIFEST
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError, OSError):
        content = None
    if isinstance(content, dict) and content.get("format") == FORMAT and isinstance(content.get("settings"), dict):
        return content["settings"]
    raise ValueError(f"{root}: expected samples of degflow trajectories with {MANIFEST}, got none")


def read_sample(image: Path) -> tuple[np.ndarray, Tensor, Tensor]:
    """Image (H, W, 3) in uint8, noise and latents (C, h, w) in half precision.

    Raises:
        ValueError: a file is damaged, missing, or of another size than its neighbour.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    file = image.with_suffix(LATENTS)
    pixels = read_image(image)
    try:
        tensors = load_file(file)
        noise, latents = tensors["eps"], tensors["z0"]
    except (OSError, SafetensorError, KeyError):
        raise ValueError(f"{file}: expected eps and z0 beside {image.name}, got none or a damaged file") from None
    if noise.ndim != 3 or noise.shape != latents.shape or not all(
        side and large % side == 0 and large // side == pixels.shape[0] // noise.shape[1]
        for large, side in zip(pixels.shape[:2], noise.shape[1:], strict=True)
    ):  # fmt: skip
        raise ValueError(f"{file}: expected latents of the image's proportions, got {tuple(noise.shape)}")
    if not bool(torch.isfinite(noise).all() and torch.isfinite(latents).all()):
        raise ValueError(f"{file}: expected numbers, got NaN or infinity")
    return pixels, noise, latents
