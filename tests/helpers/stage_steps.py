"""Steps of a BasicSR model of one of our stages, from options alone, each a function of its number."""

from __future__ import annotations

from typing import Any

import torch

from degflow_aug.draws import SampleDraw


def build(opt: dict[str, Any]) -> Any:
    """The model that the options name, its networks drawn from one seed."""
    from basicsr.models import build_model

    torch.manual_seed(0)
    return build_model(opt)


def batches(opt: dict[str, Any], count: int, start: int = 0) -> list[dict[str, Any]]:
    """Two samples a batch of the training set, the same for the same numbers of batches."""
    from basicsr.data import build_dataset
    from torch.utils.data import default_collate

    dataset = build_dataset(opt["datasets"]["train"])
    return [
        default_collate([dataset[SampleDraw((2 * step + item) % len(dataset), 100 * step + item)] for item in range(2)])
        for step in range(start, start + count)
    ]


def train(model: Any, data: list[dict[str, Any]], start: int = 0) -> list[float]:
    """Losses of a step on each batch."""
    losses = []
    for step, batch in enumerate(data, start + 1):
        model.update_learning_rate(step, warmup_iter=3)
        model.feed_data(batch)
        model.optimize_parameters(step)
        losses.append(model.get_current_log()["total"])
    return losses
