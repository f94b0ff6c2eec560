"""Base of arbitrary-scale networks: they encode an LR image and answer with colours at any coordinates.

Coordinates and cells are LIIF's: the image spans [-1, 1] x [-1, 1], (row, column); pixel i of n has its centre at
-1 + (2 i + 1) / n, and the cell of a query is the size (2 / H, 2 / W) of a pixel of the image that is asked for.
"""

from __future__ import annotations

from numbers import Integral, Real
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from degflow_aug.archs.arbitrary_scale.encoders import Encoder, build_encoder
from degflow_aug.archs.arbitrary_scale.feature_lookup import check_image
from degflow_aug.archs.arbitrary_scale.official_keys import find_official_network
from degflow_aug.archs.network_arguments import plain

Features = tuple[Tensor, ...]
_LOWEST, _HIGHEST = -0.35, 1.35
"""Values of LR beyond are refused, as those of HR are by degradations."""


class ArbitraryScaleNetwork(nn.Module):
    """Base of LIIF, LTE, MetaSR and CiaoSR. Images go in and come out in [0, 1]; the normalisation is inside.

    Subclasses write ``encode`` and ``query`` and set ``floats_per_query``.

    Args:
        arguments: those of the subclass's constructor, for ``spec``; ``encoder`` is built from ``encoder_spec`` among
            them. A network with an encoder of its own passes none and sets ``spec`` itself.

    Attributes:
        floats_per_query: roughly how many numbers a query keeps in memory at its peak.
        spec: the constructor's arguments, from which a checkpoint rebuilds the network.
    """

    floats_per_query: int
    spec: dict[str, Any]
    encoder: Encoder

    def __init__(self, **arguments: Any) -> None:
        super().__init__()
        if "encoder_spec" in arguments:
            self.spec = plain(arguments)
            self.encoder = build_encoder(arguments["encoder_spec"])

    def encode(self, lq: Tensor) -> Features:
        """Encode LR images (B, 3, h, w) in [0, 1] as features that can be queried any number of times."""
        raise NotImplementedError

    def query(self, features: Features, coord: Tensor, cell: Tensor) -> Tensor:
        """Predict colours (B, Q, 3) in [0, 1] (not clamped) at coord (B, Q, 2) for pixels of size cell (B, Q, 2)."""
        raise NotImplementedError

    def forward(self, lq: Tensor, coord: Tensor, cell: Tensor) -> Tensor:
        """Encode and query: (B, 3, h, w) in [0, 1], (B, Q, 2), (B, Q, 2) -> (B, Q, 3)."""
        return self.query(self.encode(lq), coord, cell)

    @staticmethod
    def with_our_names(content: Any, path: str | Path) -> Any:
        """What a checkpoint holds, its weights alone and under our names where code of their authors wrote it.

        Raises:
            ValueError: as :func:`find_official_network`.
        """
        official = find_official_network(content, path)
        return content if official is None else official.state


def pixel_centres(height: int, width: int, device: torch.device | str = "cpu") -> Tensor:
    """List the coordinates of all pixels of an image, row by row: (H W, 2) as (row, column) in [-1, 1]."""
    rows, columns = (
        (2 * torch.arange(count, device=device, dtype=torch.float32) + 1) / count - 1 for count in (height, width)
    )
    return torch.stack(torch.meshgrid(rows, columns, indexing="ij"), dim=-1).reshape(-1, 2)


@torch.no_grad()
def upscale(network: ArbitraryScaleNetwork, lq: Tensor, size: tuple[int, int], memory_mb: float = 1024) -> Tensor:
    """Enlarge LR images to ``size`` by queries in chunks that fit into ``memory_mb``.

    Args:
        network: any arbitrary-scale network.
        lq: (B, 3, h, w) in [0, 1].
        size: (H, W) of the result.
        memory_mb: limit for what the queries of one chunk keep alive; features and result come on top.

    Returns:
        (B, 3, H, W), not clamped; the same for every limit.

    Raises:
        ValueError: LR of another kind or far from [0, 1], no size, an empty one, or no memory.
    """
    _check_values(lq)
    sides = list(size) if isinstance(size, (tuple, list)) else []
    whole = len(sides) == 2 and all(isinstance(side, Integral) and side >= 1 for side in sides)
    if not whole or not isinstance(memory_mb, Real) or not memory_mb > 0:
        raise ValueError(f"expected a size (H, W) of at least 1x1 and memory above 0 MB, got {size!r}, {memory_mb!r}")
    height, width = size
    cell = torch.tensor([2 / height, 2 / width], device=lq.device)
    colours = answer(network, lq, pixel_centres(height, width, lq.device), cell, memory_mb)
    return colours.transpose(1, 2).reshape(len(lq), 3, height, width)


@torch.no_grad()
def answer(network: ArbitraryScaleNetwork, lq: Tensor, coord: Tensor, cell: Tensor, memory_mb: float = 1024) -> Tensor:
    """Predict the colours (B, Q, 3) of LR (B, 3, h, w) at coord (Q, 2) for pixels of size cell (2), part by part."""
    features = network.encode(lq)
    batch = lq.shape[0]
    chunk = max(1, int(memory_mb * 2**20 / (4 * batch * network.floats_per_query)))
    colours = [
        network.query(features, part.expand(batch, -1, -1), cell.expand(batch, len(part), 2))
        for part in coord.split(chunk)
    ]
    return torch.cat(colours, dim=1)


def _check_values(lq: Tensor) -> None:
    if not isinstance(lq, Tensor) or not lq.is_floating_point():
        got = str(lq.dtype) if isinstance(lq, Tensor) else type(lq).__name__
        raise ValueError(f"expected LR as a float tensor (B, 3, h, w) in [0, 1], got {got}; divide 8-bit values by 255")
    check_image(lq)
    low, high = (value.item() for value in torch.aminmax(lq))
    if not (low >= _LOWEST and high <= _HIGHEST):
        raise ValueError(f"expected LR in [0, 1], got values from {low:g} to {high:g}; divide 8-bit values by 255")
