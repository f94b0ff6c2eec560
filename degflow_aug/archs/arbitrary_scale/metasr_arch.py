"""MetaSR (Hu et al., CVPR 2019) as the LIIF repository frames it: a filter for every query, predicted by an MLP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from degflow_aug.archs.arbitrary_scale.arbitrary_scale_network import ArbitraryScaleNetwork, Features
from degflow_aug.archs.arbitrary_scale.feature_lookup import (
    cell_in_pixels,
    check_image,
    check_query,
    look_up,
    neighbours,
    rows,
    with_surroundings,
)
from degflow_aug.archs.arbitrary_scale.implicit_mlp import MLP


class MetaSR(ArbitraryScaleNetwork):
    """colour(x) = f(i) W(x - corner(i), 1 / s), f the 3x3 features around LR pixel i, W (9C, 3) from an MLP.

    i is the LR pixel that holds the upper left corner x of the query's cell, the offset counts LR pixels from the upper
    left corner of i, and s is the scale along the rows (the original has one scale for both sides). Normalised with
    (image - 0.5) / 0.5. Any LR size from 1x1.

    Args:
        encoder_spec: what :func:`build_encoder` takes.
        hidden_list: hidden widths of the MLP.

    Raises:
        ValueError: a width below 1, or an unknown encoder.
    """

    def __init__(self, *, encoder_spec: Mapping[str, Any], hidden_list: Sequence[int] = (256,)) -> None:
        super().__init__(encoder_spec=encoder_spec, hidden_list=hidden_list)
        channels = 9 * self.encoder.out_dim
        self.imnet = MLP(3, 3 * channels, hidden_list)
        # The features and the filter, which under autocast is there in bfloat16 as well.
        self.floats_per_query = channels + max(self.imnet.floats_per_row, 9 * channels // 2) + 32

    def encode(self, lq: Tensor) -> Features:
        """Encode LR images (B, 3, h, w) in [0, 1] as 3x3 features (B, h, w, 9C)."""
        check_image(lq)
        return (rows(with_surroundings(self.encoder((lq - 0.5) / 0.5))),)

    def query(self, features: Features, coord: Tensor, cell: Tensor) -> Tensor:
        """Predict colours (B, Q, 3) in [0, 1] (not clamped) at coord (B, Q, 2) for pixels of size cell (B, Q, 2)."""
        (maps,) = features
        batch, height, width, channels = maps.shape
        check_query(coord, cell, batch)
        # Corners of cells become centres for the lookup, and the pixel that holds a corner the one nearest to it.
        near = neighbours(coord - cell / 2, height, width, 1)
        offset = near.offset.squeeze(2) + 0.5
        position = torch.cat([offset, cell_in_pixels(cell, height, width)[..., :1]], -1)
        weight = self.imnet(position).unflatten(-1, (channels, 3))
        found = look_up(maps, near.index)
        # There is no skip: a product in bfloat16 would round the colours themselves to half a grey level of 256.
        with torch.autocast(coord.device.type, enabled=False):
            colour = torch.matmul(found.to(coord.dtype), weight.to(coord.dtype)).squeeze(2)
        return colour * 0.5 + 0.5
