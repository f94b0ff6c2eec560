"""How much memory a piece of PyTorch code holds at its peak."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class PeakMemory(TorchDispatchMode):
    """Within ``with``, ``peak`` is the largest number of bytes of tensors made inside and alive after an operation.

    On ``meta`` too, where code costs neither time nor memory. What kernels need to work in is not counted.
    """

    def __init__(self) -> None:
        super().__init__()
        self.peak = 0
        self._made: list[weakref.ref[torch.Tensor]] = []

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        # Views of what was there before cost nothing; views of what was made here keep it alive.
        made = {_storage(tensor) for tensor in self._alive()}
        given = {_storage(leaf) for leaf in tree_leaves(args) if isinstance(leaf, torch.Tensor)}
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor) and _storage(leaf) not in given - made:
                self._made.append(weakref.ref(leaf))
        sizes = {_storage(tensor): tensor.untyped_storage().nbytes() for tensor in self._alive()}
        self.peak = max(self.peak, sum(sizes.values()))
        return result

    def _alive(self) -> list[torch.Tensor]:
        self._made = [reference for reference in self._made if reference() is not None]
        return [tensor for reference in self._made if (tensor := reference()) is not None]


def _storage(tensor: torch.Tensor) -> int:
    """A key of the storage; on ``meta`` there is no address, and the object stands for it."""
    return tensor.untyped_storage()._cdata
