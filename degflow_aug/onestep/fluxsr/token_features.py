"""The tokens that every block of FLUX's transformer makes of an image, for losses on them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn

from degflow_aug.onestep.networks.backbones import FluxBackbone


@contextmanager
def token_features(backbone: FluxBackbone) -> Iterator[list[Tensor]]:
    """A list that fills with tokens (B, N, C), block by block, as the backbone runs inside the block.

    Checkpointing runs every block again on the way back, after this block has been left, and adds nothing.
    """
    features: list[Tensor] = []

    def keep(block: nn.Module, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        features.append(output[1])

    with ExitStack() as hooks:
        for block in backbone.blocks():
            hooks.callback(block.register_forward_hook(keep).remove)
        yield features
