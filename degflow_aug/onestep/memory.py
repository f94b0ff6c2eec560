"""What training a one-step system takes of the memory, told before it starts.

Weights, gradients and the optimiser's moments are counted; activations are counted too, on the device ``meta``, where
a whole step costs no memory: what autograd keeps for the way back is asked for by its own hooks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

GIB = 2**30


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes; what kernels need to work in comes on top, and autocast keeps less of what is counted in float32.

    Attributes:
        frozen: published weights.
        trained: LoRA with its gradients.
        optimiser: its moments.
        activations: what one sample's step keeps at once.
    """

    frozen: int
    trained: int
    optimiser: int
    activations: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.frozen + self.trained + self.optimiser + self.activations

    def sentence(self) -> str:
        """One line for the log, with the options that lower what is largest."""
        parts = {
            "weights": self.frozen, "LoRA and gradients": self.trained, "optimiser": self.optimiser,
            "activations": self.activations,
        }  # fmt: skip
        told = ", ".join(f"{name} {size / GIB:.2f}" for name, size in parts.items())
        largest = max(parts, key=lambda name: parts[name])
        advice = {
            "weights": "network_g.dtype: bf16 halves the weights",
            "LoRA and gradients": "a lower network_g.rank has fewer of them",
            "optimiser": "train.optim_g.type: AdamW8bit takes a quarter",
            "activations": "network_g.gradient_checkpointing, degflow.accumulate, degflow.offload or a lower gt_size "
            "lower activations",
        }[largest]
        return f"memory about {self.total / GIB:.2f} GiB ({told}); {advice}"


def count_weights(network: nn.Module, moment_bytes: int) -> MemoryEstimate:
    """A network's memory in training but for activations.

    Args:
        network: with what is trained having a gradient.
        moment_bytes: of the optimiser, a trained number: 8 for AdamW in float32, 2 in 8 bit.
    """
    frozen = trained = optimiser = 0
    for parameter in network.parameters():
        size = parameter.numel() * parameter.element_size()
        if parameter.requires_grad:
            trained += 2 * size
            optimiser += moment_bytes * parameter.numel()
        else:
            frozen += size
    return MemoryEstimate(frozen, trained, optimiser)


def saved_bytes(step: Callable[[], Tensor], besides: set[int] | None = None) -> int:
    """Bytes that autograd keeps for the way back through ``step()``.

    Args:
        step: what runs forward; its result is thrown away.
        besides: storages that are there anyway, as of weights.
    """
    with _saved() as found:
        result = step()
    total = sum(size for storage, size in found.items() if storage not in (besides or set()))
    del result
    return total


@contextmanager
def _saved() -> Iterator[dict[int, int]]:
    """Sizes of the storages that are kept inside the block; a storage kept twice counts once."""
    sizes: dict[int, int] = {}
    alive: list[Tensor] = []

    def keep(tensor: Tensor) -> Tensor:
        # Alive, so that no later storage gets the same key.
        alive.append(tensor)
        sizes[_storage(tensor)] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        yield sizes


def _storage(tensor: Tensor) -> int:
    """A key of the storage; on ``meta`` there is no address, and the object stands for it."""
    return tensor.untyped_storage()._cdata
