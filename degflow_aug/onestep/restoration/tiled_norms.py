"""Group norms of an autoencoder held still, so that tiles of one image are normalised alike.

A group norm takes mean and spread of whole feature maps, and tiles have others than their image: every tile would get
a contrast of its own. The statistics are pooled over all tiles in a first pass instead. They are not to the last digit
those of the image in one piece: every layer of that pass is normalised by its own tile, and attention sees no further.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn


class PooledStatistics:
    """Means and variances of every group norm, over all that passes before :meth:`settle`."""

    def __init__(self) -> None:
        self.held: dict[nn.Module, tuple[Tensor, Tensor]] = {}
        self._sums: dict[nn.Module, tuple[Tensor, Tensor, int]] = {}

    def settle(self) -> None:
        """Hold what has been pooled."""
        for norm, (total, squares, count) in self._sums.items():
            mean = total / count
            self.held[norm] = (mean, (squares / count - mean.square()).clamp(min=0))

    def pool(self, norm: nn.Module, inputs: tuple[Any, ...]) -> None:
        """Add the input of a norm; a hook before its forward pass."""
        assert isinstance(norm, nn.GroupNorm)
        grouped = _grouped(inputs[0], norm).double()
        total, squares, count = self._sums.get(norm, (0.0, 0.0, 0))
        self._sums[norm] = (
            total + grouped.sum(dim=-1, keepdim=True),
            squares + grouped.square().sum(dim=-1, keepdim=True),
            count + grouped.shape[-1],
        )

    def apply(self, norm: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
        """The output that the held statistics give; a hook after its forward pass."""
        assert isinstance(norm, nn.GroupNorm)
        mean, variance = self.held[norm]
        image = inputs[0]
        normed = (_grouped(image, norm) - mean.float()) * torch.rsqrt(variance.float() + norm.eps)
        normed = normed.reshape(image.shape)
        if norm.affine:
            shape = (1, -1, *(1,) * (image.ndim - 2))
            normed = normed * norm.weight.float().reshape(shape) + norm.bias.float().reshape(shape)
        return normed.to(output.dtype)


@contextmanager
def norms_held_still(network: nn.Module, run_tiles: Callable[[], Any]) -> Iterator[None]:
    """Group norms of ``network`` keep inside the block the statistics that all tiles have together.

    Args:
        network: an encoder or decoder.
        run_tiles: passes every tile of one image through it.
    """
    statistics = PooledStatistics()
    norms = [part for part in network.modules() if isinstance(part, nn.GroupNorm)]
    with ExitStack() as applied:
        with ExitStack() as pooled:
            for norm in norms:
                pooled.callback(norm.register_forward_pre_hook(statistics.pool).remove)
            run_tiles()
        statistics.settle()
        for norm in norms:
            applied.callback(norm.register_forward_hook(statistics.apply).remove)
        yield


def _grouped(image: Tensor, norm: nn.GroupNorm) -> Tensor:
    return image.float().reshape(len(image), norm.num_groups, -1)
