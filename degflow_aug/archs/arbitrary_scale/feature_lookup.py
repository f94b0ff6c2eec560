"""Which LR pixels lie around a query, how far away, and what the feature maps hold there.

Positions are counted in LR pixels: pixel i of a side has its centre at i, and a coordinate c in [-1, 1] along a side of
n pixels lies at p = ((c + 1) n - 1) / 2. Every query is looked up alone, so that chunks of queries give what all of
them give.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

# Queries on the border between two pixels take the upper one, rounding errors or not; in units of the coordinates.
TIE = 1e-6


@dataclass(frozen=True)
class Neighbours:
    """The N pixels around each query, row by row.

    Attributes:
        index: (B, Q, N), position in the feature maps of the whole batch, flattened to (B h w).
        offset: (B, Q, N, 2), query minus centre of the pixel as (row, column), in LR pixels.
    """

    index: Tensor
    offset: Tensor


def neighbours(coord: Tensor, height: int, width: int, side: int) -> Neighbours:
    """Find the side x side pixels of an LR image (height, width) nearest to each coordinate (B, Q, 2).

    Beyond the image its border pixels are repeated: they keep their own centres, so that offsets stay true.
    """
    row, row_offset = _along(coord[..., 0], height, side)
    column, column_offset = _along(coord[..., 1], width, side)
    image = torch.arange(len(coord), device=coord.device).reshape(-1, 1, 1, 1)
    index = (image * height + row.unsqueeze(3)) * width + column.unsqueeze(2)
    offset = torch.broadcast_tensors(row_offset.unsqueeze(3), column_offset.unsqueeze(2))
    return Neighbours(index.flatten(2), torch.stack(offset, -1).flatten(2, 3))


def _along(coord: Tensor, count: int, side: int) -> tuple[Tensor, Tensor]:
    """Pixels and offsets (B, Q, side) along one side of ``count`` pixels; numbers, not tensors, keep a GPU running."""
    position = ((coord + 1) * count - 1) / 2
    first = torch.floor(position + (TIE * count / 2 + 1 - side / 2))
    steps = torch.arange(side, device=coord.device, dtype=coord.dtype)
    pixel = (first.unsqueeze(2) + steps).clamp(0, count - 1)
    return pixel.long(), position.unsqueeze(2) - pixel


def rows(maps: Tensor) -> Tensor:
    """Lay feature maps (B, C, h, w) out for lookups, (B, h, w, C), the channels of a pixel side by side in memory."""
    return maps.permute(0, 2, 3, 1).contiguous()


def look_up(maps: Tensor, index: Tensor) -> Tensor:
    """Look up :func:`rows` (B, h, w, C) at an index (B, Q, N): (B, Q, N, C)."""
    return maps.flatten(0, 2).index_select(0, index.flatten()).unflatten(0, index.shape)


def with_surroundings(maps: Tensor) -> Tensor:
    """Unfold 3x3 pixels: (B, C, h, w) -> (B, 9C, h, w), channels outermost, zeros beyond the border."""
    return F.unfold(maps, 3, padding=1).unflatten(-1, maps.shape[-2:])


def cell_in_pixels(cell: Tensor, height: int, width: int) -> Tensor:
    """Convert cells (B, Q, 2) to LR pixels: 1 / scale along each side."""
    return torch.stack([cell[..., 0] * (height / 2), cell[..., 1] * (width / 2)], -1)


def bilinear(image: Tensor, coord: Tensor) -> Tensor:
    """Interpolate an image (B, C, h, w) at coord (B, Q, 2), its border continued outwards: (B, Q, C)."""
    sampled = F.grid_sample(image, coord.flip(-1).unsqueeze(1), padding_mode="border", align_corners=False)
    return sampled.squeeze(2).transpose(1, 2)


def check_image(lq: Tensor) -> None:
    """Raise a ValueError unless ``lq`` is a batch of RGB images."""
    if lq.ndim != 4 or lq.shape[1] != 3 or 0 in lq.shape:
        raise ValueError(f"expected LR images (B, 3, h, w), got {tuple(lq.shape)}; convert to RGB and add the batch")


def check_query(coord: Tensor, cell: Tensor, batch: int) -> None:
    """Raise a ValueError unless ``coord`` and ``cell`` are (batch, Q, 2)."""
    if coord.shape != cell.shape or coord.ndim != 3 or coord.shape[0] != batch or coord.shape[2] != 2:
        raise ValueError(
            f"expected coord and cell ({batch}, Q, 2) like the features, got {tuple(coord.shape)} and "
            f"{tuple(cell.shape)}; expand them to the batch"
        )
