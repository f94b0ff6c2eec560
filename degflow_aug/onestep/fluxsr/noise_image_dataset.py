"""FLUX's samples as BasicSR builds them: crops of the image, and of noise and latents at the same place."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from degflow_aug.data import dataset_keys as keys
from degflow_aug.draws import SampleDraw, resolve_draw
from degflow_aug.onestep.fluxsr.noise_images import LATENTS, read_manifest, read_sample

_KIND = "NoiseImageDataset"
_CELLS = 2


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
