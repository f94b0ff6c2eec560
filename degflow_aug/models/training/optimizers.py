"""The optimisers that ``train.optim_g`` and ``train.optim_d`` may name."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import torch


def adamw_8bit(
    params: Any,
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 1e-2,
) -> torch.optim.Optimizer:
    """AdamW of bitsandbytes, whose moments take a quarter of the memory.

    Raises:
        ValueError: bitsandbytes is not installed.
    """
    if find_spec("bitsandbytes") is None:
        raise ValueError("expected bitsandbytes for AdamW8bit, got none; pip install bitsandbytes, or take AdamW")
    from bitsandbytes.optim import AdamW8bit

    made: torch.optim.Optimizer = AdamW8bit(params, lr=lr, betas=tuple(betas), eps=eps, weight_decay=weight_decay)
    return made


OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "Adam": torch.optim.Adam,
    "AdamW": torch.optim.AdamW,
    "SGD": torch.optim.SGD,
    "AdamW8bit": adamw_8bit,
}
MOMENT_BYTES = {"Adam": 8, "AdamW": 8, "SGD": 4, "AdamW8bit": 2}
"""Of every trained number, with momentum."""
