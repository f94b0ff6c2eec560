"""FLUX's samples on disk, and as BasicSR builds them: crops of an image, and of its noise and latents there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from degflow_aug.data import dataset_keys as keys
from degflow_aug.data.tensors import to_array
from degflow_aug.draws import SampleDraw, resolve_draw
from degflow_aug.files.image_file import read_image, write_image
from degflow_aug.files.image_tree import say_left_out
from degflow_aug.files.notice import notice
from degflow_aug.files.tensor_file import load_safetensors
from degflow_aug.files.writing import atomic_path, remove_partial

_KIND = "NoiseImageDataset"
_CELLS = 2
MANIFEST = "trajectories.json"
FORMAT = "degflow-trajectories-1"
LATENTS = ".safetensors"


class NoiseImageDataset(Dataset[dict[str, Any]]):
    """Samples of ``degflow trajectories`` for FluxSR.

    .. code-block:: yaml

        train:
          type: NoiseImageDataset
          dataroot_gt: datasets/flux_trajectories
          gt_size: 512                    # a multiple of 16

    Crops start where tokens of FLUX do, at multiples of two latent cells; nothing is mirrored, because latents of a
    mirrored image are no mirrored latents.

    Raises:
        ValueError: an unknown key, no samples, or a crop that does not fit.
    """

    accepts_draws = True

    def __init__(self, opt: dict[str, Any]) -> None:
        self.opt = opt
        keys.check_keys(opt, _KIND, {"gt_size"})
        root = keys.path(opt, "dataroot_gt", _KIND)
        size = read_manifest(root).get("size")
        self.crop_size = keys.whole_number(opt, "gt_size", _KIND)
        self.images = sorted(path for path in root.glob("*.png") if path.with_suffix(LATENTS).is_file())
        if not self.images:
            raise ValueError(f"{root}: expected samples of degflow trajectories, got none")
        say_left_out(root, [root / MANIFEST, *self.images, *(path.with_suffix(LATENTS) for path in self.images)])
        if not isinstance(size, int) or not 0 < self.crop_size <= size:
            raise ValueError(f"expected gt_size of {_KIND} up to {size}, the size of the samples, got {self.crop_size}")

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int | SampleDraw) -> dict[str, Any]:
        """One item; the same draw gives the same item whichever process makes it.

        Returns:
            gt (3, P, P) in uint8; eps and z0 (C, P / 8, P / 8) in float32; gt_path.
        """
        number, seed = resolve_draw(index)
        path = self.images[number]
        pixels, noise, latents = read_sample(path)
        factor = pixels.shape[0] // noise.shape[1]
        cells = self.crop_size // factor
        if self.crop_size % (factor * _CELLS):
            raise ValueError(f"expected gt_size of {_KIND} as a multiple of {factor * _CELLS}, got {self.crop_size}")
        rng = np.random.default_rng(seed)
        top, left = (_CELLS * int(rng.integers(0, (side - cells) // _CELLS + 1)) for side in noise.shape[1:])
        rows, columns = slice(top * factor, (top + cells) * factor), slice(left * factor, (left + cells) * factor)
        patch = np.ascontiguousarray(pixels[rows, columns].transpose(2, 0, 1))
        inner = (slice(None), slice(top, top + cells), slice(left, left + cells))
        return {
            "gt": torch.from_numpy(patch), "eps": noise[inner].float(), "z0": latents[inner].float(),
            "gt_path": str(path),
        }  # fmt: skip


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
        """Whether the sample is there, whole and of its size."""
        path = self._path(number, ".png")
        try:
            if not path.exists():
                return False
            return read_sample(path)[0].shape[:2] == (self.settings["size"],) * 2
        except ValueError as damaged:
            notice(f"{damaged}; made anew")
            return False

    def write(self, number: int, noise: Tensor, latents: Tensor, image: Tensor) -> None:
        """Write noise and latents (C, h, w), in half precision, then the image (3, H, W) in [0, 1].

        Raises:
            OSError: it cannot be written.
        """
        from safetensors.torch import save

        manifest = self.root / MANIFEST
        if not manifest.exists():
            # With the first sample: what could not be made at all shall pin nothing.
            self.root.mkdir(parents=True, exist_ok=True)
            with atomic_path(manifest) as partial:
                content = {"format": FORMAT, "settings": dict(self.settings)}
                partial.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
        tensors = {"eps": noise.half().contiguous(), "z0": latents.half().contiguous()}
        with atomic_path(self._path(number, LATENTS)) as partial:
            partial.write_bytes(save(tensors))
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

    file = image.with_suffix(LATENTS)
    pixels = read_image(image)
    try:
        tensors = load_safetensors(file)
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
