"""LR at the size of HR, from where a one-step system starts."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from degflow_aug.degradations.grid import resize

ENLARGEMENTS = ("bicubic", "bilinear")


def enlarge(lr: Tensor, size: tuple[int, int], how: str) -> Tensor:
    """(B, 3, h, w) in [0, 1] -> (B, 3, *size) in [0, 1]: bicubic (OMGSR, and ours for FluxSR) or bilinear (FlowSR).

    Raises:
        ValueError: another way.
    """
    if how == "bicubic":
        return resize(lr, size).clamp(0, 1)
    if how == "bilinear":
        return F.interpolate(lr, size=size, mode="bilinear", antialias=True, align_corners=False)
    raise ValueError(f"expected an enlargement out of {', '.join(ENLARGEMENTS)}, got {how!r}")
