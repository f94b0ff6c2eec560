"""Strips that show what a network trains on and what it makes of it: HR, LR and SR side by side, a row an example."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Example(NamedTuple):
    """HR (1, 3, P, P), LR (1, 3, L, L) and SR (1, 3, P, P), in [0, 1]."""

    hr: Tensor
    lr: Tensor
    sr: Tensor


def first_examples(
    gt: Tensor, lq: Tensor, super_resolve: Callable[[Tensor, tuple[int, int]], Tensor], count: int = 3
) -> list[Example]:
    """Show the first samples of a batch, HR (B, 3, P, P) and LR (B, 3, L, L), as ``super_resolve`` enlarges them."""
    size = (gt.shape[-2], gt.shape[-1])
    chosen = range(min(count, len(gt)))
    return [Example(gt[i, None], lq[i, None], super_resolve(lq[i, None], size)) for i in chosen]


def preview_strip(examples: Sequence[Example], side: int = 192) -> Tensor:
    """One picture (3, rows x side, 3 x side) in [0, 1] on the CPU; pixels are repeated, so that LR shows its own."""
    rows = [torch.cat([_fill(image, side) for image in example], dim=3) for example in examples]
    return torch.cat(rows, dim=2)[0].clamp(0, 1)


def _fill(image: Tensor, side: int) -> Tensor:
    image = image.detach().float().cpu()
    return F.interpolate(image, size=(side, side), mode="nearest-exact")
