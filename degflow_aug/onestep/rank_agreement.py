"""Ranks that train the same few parameters of networks that are not wrapped for it."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


def average_gradients(parameters: Iterable[nn.Parameter], world_size: int) -> None:
    """Give every rank the mean of all ranks' gradients; one that a rank lacks counts as zero."""
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        torch.distributed.all_reduce(parameter.grad)
        parameter.grad /= world_size


def start_alike(optimizers: Iterable[torch.optim.Optimizer], buffers: Iterable[Tensor]) -> None:
    """Have all ranks start from what the random state of the first has made, parameters and buffers."""
    for buffer in buffers:
        torch.distributed.broadcast(buffer, src=0)
    for group in (group for optimizer in optimizers for group in optimizer.param_groups):
        for parameter in group["params"]:
            torch.distributed.broadcast(parameter.data, src=0)
