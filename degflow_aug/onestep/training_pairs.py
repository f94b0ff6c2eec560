"""HR-LR pairs as training will see them, drawn before it starts: for what has to be measured on them first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from basicsr.data import build_dataset

from degflow_aug.models.sr.lr_source import LRBatch

if TYPE_CHECKING:
    from degflow_aug.models.sr.degraded_model import DegradedModel


def training_pairs(model: DegradedModel, count: int) -> Iterator[LRBatch]:
    """``count`` pairs, one a batch, of ``datasets.train`` and ``degradation``; the same on every rank."""
    dataset = build_dataset(model.opt["datasets"]["train"])
    for number in range(count):
        # Seeds of steps that no run reaches, so that no training draw comes twice.
        seed = model.iteration_seed(2**40 + number, rank=0)
        torch.manual_seed(seed % 2**63)
        item = dataset[number % len(dataset)]
        batch = {key: torch.as_tensor(value)[None] for key, value in item.items() if not isinstance(value, str)}
        yield model.source.take(batch, seed)
