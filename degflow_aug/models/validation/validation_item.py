"""One image to restore, out of whichever dataset a validation reads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from degflow_aug.degradations.grid import lr_size, to_hr_grid

_STRIP_SIDE = 512


class ValidationItem(NamedTuple):
    """One image to restore: LR (1, 3, h, w) and truth (1, 3, H, W) or None, both in [0, 1], and the size asked for."""

    name: str
    lq: Tensor
    gt: Tensor | None
    scale: float
    size: tuple[int, int]
    camera: str = ""


def read_item(batch: Mapping[str, Any], default_scale: float | None) -> ValidationItem:
    """A batch of one image, from any of the datasets.

    Args:
        batch: ``lq``, ``lq_path``, and where there are: ``gt``, ``scale``, ``name``, ``camera``.
        default_scale: for an image that brings neither a scale nor a truth.

    Raises:
        ValueError: neither of the three says what size the result has.
    """
    lq, gt = batch["lq"].float(), batch.get("gt")
    name = batch["name"][0] if "name" in batch else Path(batch["lq_path"][0]).stem
    height, width = lq.shape[-2:]
    if "scale" in batch:
        # Six digits: what float32 keeps of 2.9, and what file names show.
        scale = float(f"{float(batch['scale'][0]):.6g}")
    elif gt is not None:
        lq, gt = _common_part(lq, gt, default_scale)
        height, width = lq.shape[-2:]
        scale = size_ratio((gt.shape[-2], gt.shape[-1]), (height, width))
    elif default_scale:
        scale = float(default_scale)
    else:
        raise ValueError(f"expected a scale for {batch['lq_path'][0]}, got none; set scale at the top of the options")
    size = (round(height * scale), round(width * scale)) if gt is None else (gt.shape[-2], gt.shape[-1])
    # Datasets with a file a scale have it in the name; here every scale has a file.
    name, camera = str(name).removesuffix(f"_x{scale:g}"), str(batch.get("camera", ("",))[0])
    return ValidationItem(name, lq, None if gt is None else gt.float(), scale, size, camera)


def _common_part(lq: Tensor, gt: Tensor, scale: float | None) -> tuple[Tensor, Tensor]:
    """What both show of a pair of BasicSR's data sets, where LR of ceil(H / s) reaches beyond HR by part of a pixel."""
    low = [int(side // scale) if scale else 0 for side in gt.shape[-2:]]
    beyond = [part - least for part, least in zip(lq.shape[-2:], low, strict=True)]
    if not scale or scale != round(scale) or set(beyond) - {0, 1} or 0 in low:
        return lq, gt
    rows, columns = low
    return lq[..., :rows, :columns], gt[..., : rows * round(scale), : columns * round(scale)]


def size_ratio(hr: tuple[int, int], lr: tuple[int, int]) -> float:
    """The number of fewest decimals that takes the HR size to the LR size, or H / h where none does.

    An LR side is round(H / s), so that H / h differs a little from s, and from image to image; but s lies between
    H / (h + 1/2) and H / (h - 1/2), and so it does for the width.
    """
    low = max(large / (small + 0.5) for large, small in zip(hr, lr, strict=True))
    high = min(large / (small - 0.5) for large, small in zip(hr, lr, strict=True))
    for decimals in range(5):
        scale = round((low + high) / 2, decimals)
        if low <= scale <= high and lr_size(*hr, scale) == lr:
            return scale
    return float(f"{hr[0] / lr[0]:.6g}")


def strip(item: ValidationItem, result: Tensor) -> Tensor:
    """LR enlarged by bicubic interpolation, result and truth side by side, (3, H, n W); the middle of large images."""
    enlarged = to_hr_grid(item.lq.cpu(), item.size)
    images = [enlarged, result, *([] if item.gt is None else [item.gt.cpu()])]
    top, left = (max(0, (side - _STRIP_SIDE) // 2) for side in item.size)
    return torch.cat([image[0, :, top : top + _STRIP_SIDE, left : left + _STRIP_SIDE] for image in images], dim=2)
