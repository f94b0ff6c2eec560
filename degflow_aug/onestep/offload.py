"""Activations in the memory of the CPU until the way back needs them; weights stay where they are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

Kept = tuple[torch.device | None, Tensor]


def activations_on_cpu(weights: Iterable[Tensor]) -> Any:
    """Hooks for a block: what autograd keeps goes to the CPU, but for the ``weights``, which are there anyway."""
    known = {weight.untyped_storage().data_ptr() for weight in weights}

    def keep(tensor: Tensor) -> Kept:
        if tensor.untyped_storage().data_ptr() in known:
            return None, tensor
        kept = torch.empty(tensor.size(), dtype=tensor.dtype, layout=tensor.layout, pin_memory=tensor.is_cuda)
        kept.copy_(tensor)
        return tensor.device, kept

    def give_back(kept: Kept) -> Tensor:
        device, tensor = kept
        return tensor if device is None else tensor.to(device, non_blocking=True)

    return torch.autograd.graph.saved_tensors_hooks(keep, give_back)
