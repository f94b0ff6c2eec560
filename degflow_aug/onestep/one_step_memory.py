"""The memory that a one-step model will take, logged before its first step."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from basicsr.utils import get_root_logger

from degflow_aug.models.training.optimizers import MOMENT_BYTES
from degflow_aug.onestep.memory import MemoryEstimate, count_weights
from degflow_aug.onestep.outline import sample_activations

if TYPE_CHECKING:
    from degflow_aug.onestep.onestep_model import OneStepModel


def tell_memory(model: OneStepModel) -> None:
    """Log the estimate, once for all ranks."""
    if not model.opt.get("rank", 0):
        get_root_logger().info(f"{type(model).__name__}: {estimate(model).sentence()}")


def estimate(model: OneStepModel) -> MemoryEstimate:
    """Of the model's own network, optimiser and crops."""
    train, data = model.opt["train"], model.opt["datasets"]["train"]
    found = count_weights(model.net_g, MOMENT_BYTES[train["optim_g"]["type"]])
    if model.options.offload:
        return found
    samples = -(-int(data["batch_size_per_gpu"]) // model.options.accumulate)
    return replace(found, activations=samples * sample_activations(model.net_g, int(data["gt_size"])))
