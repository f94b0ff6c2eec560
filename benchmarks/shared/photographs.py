"""HR patches out of scikit-image's photographs: what Real-ESRGAN costs depends on what it is shown."""

from __future__ import annotations

import functools

import numpy as np
import torch
from torch import Tensor

from degflow_aug.commands.demo.simulated_pairs import bundled_photographs
from degflow_aug.data.tensors import to_tensor


def patches(count: int, height: int, width: int, seed: int = 0) -> Tensor:
    """(count, 3, height, width) in [0, 1], drawn from the photographs; those that are smaller go on mirrored."""
    rng = np.random.default_rng(seed)
    photographs = _photographs()
    return torch.stack([_patch(photographs[index % len(photographs)], height, width, rng) for index in range(count)])


@functools.cache
def _photographs() -> list[np.ndarray]:
    return list(bundled_photographs()[0].values())


def _patch(photograph: np.ndarray, height: int, width: int, rng: np.random.Generator) -> Tensor:
    missing = [max(0, wanted - there) for wanted, there in zip((height, width), photograph.shape[:2], strict=True)]
    image = np.pad(photograph, [(0, missing[0]), (0, missing[1]), (0, 0)], mode="symmetric")
    top, left = (
        int(rng.integers(0, there - wanted + 1)) for wanted, there in zip((height, width), image.shape[:2], strict=True)
    )
    return to_tensor(image[top : top + height, left : left + width])
