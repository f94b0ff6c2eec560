"""LIIF, the local implicit image function (Chen et al., CVPR 2021)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from degflow_aug.archs.arbitrary_scale.arbitrary_scale_network import ArbitraryScaleNetwork, Features
from degflow_aug.archs.arbitrary_scale.feature_lookup import (
    cell_in_pixels,
    check_image,
    check_query,
    look_up,
    neighbours,
    rows,
)
from degflow_aug.archs.arbitrary_scale.implicit_mlp import build_imnet
from degflow_aug.archs.network_arguments import check_kind

IMNET_SPEC = {"name": "mlp", "args": {"out_dim": 3, "hidden_list": [256, 256, 256, 256]}}


class LIIF(ArbitraryScaleNetwork):
    """colour(x) = sum_j w_j g(f_j, x - x_j, c), normalised with (image - 0.5) / 0.5.

    j runs over the four LR pixels around x, f_j are the encoder's features there, x - x_j and the cell c count half
    LR pixels, g is an MLP, and w_j the share of the area that x spans with the pixel opposite j. The MLP's first layer
    is linear, so its part in f_j is computed once per LR pixel, as a convolution, and only looked up by the queries.
    Under autocast what depends on coordinates stays float32 until it enters the MLP's first sum.

    Args:
        encoder_spec: what :func:`~degflow_aug.archs.arbitrary_scale.encoders.build_encoder` takes.
        imnet_spec: ``{name: mlp, args: {out_dim: 3, hidden_list: [...]}}``; four layers of 256 where None.
        local_ensemble: False to ask the nearest LR pixel only.
        feat_unfold: f_j are the features of 3x3 pixels.
        cell_decode: False to leave out c.

    Raises:
        ValueError: a switch that is no bool, a spec that is not understood, or BasicSR is missing.
    """

    def __init__(
        self,
        *,
        encoder_spec: Mapping[str, Any],
        imnet_spec: Mapping[str, Any] | None = None,
        local_ensemble: bool = True,
        feat_unfold: bool = True,
        cell_decode: bool = True,
    ) -> None:
        check_kind(bool, "LIIF", local_ensemble=local_ensemble, feat_unfold=feat_unfold, cell_decode=cell_decode)
        imnet_spec = IMNET_SPEC if imnet_spec is None else imnet_spec
        super().__init__(
            encoder_spec=encoder_spec,
            imnet_spec=imnet_spec,
            local_ensemble=local_ensemble,
            feat_unfold=feat_unfold,
            cell_decode=cell_decode,
        )
        self.side = 2 if local_ensemble else 1
        self.kernel_size = 3 if feat_unfold else 1
        self.cell_decode = cell_decode
        self.mapped_channels = self.encoder.out_dim * self.kernel_size**2
        self.imnet = build_imnet(imnet_spec, self.mapped_channels + (4 if cell_decode else 2))
        widths = [layer.out_features for layer in self.imnet.layers if isinstance(layer, nn.Linear)]
        # A layer's input and output are alive at once; beside them per LR pixel index, offset, cell and weight.
        self.floats_per_query = self.side**2 * (2 * max(widths) + 16)

    def encode(self, lq: Tensor) -> Features:
        """Encode LR images (B, 3, h, w) in [0, 1] as the first layer's response to their features, (B, h, w, width)."""
        check_image(lq)
        features = self.encoder((lq - 0.5) / 0.5)
        weight = self._first.weight[:, : self.mapped_channels]
        kernel = weight.reshape(len(weight), -1, self.kernel_size, self.kernel_size)
        return (rows(F.conv2d(features, kernel, padding=self.kernel_size // 2)),)

    def query(self, features: Features, coord: Tensor, cell: Tensor) -> Tensor:
        """Predict colours (B, Q, 3) in [0, 1] (not clamped) at coord (B, Q, 2) for pixels of size cell (B, Q, 2)."""
        (mapped,) = features
        batch, height, width, _ = mapped.shape
        check_query(coord, cell, batch)
        near = neighbours(coord, height, width, self.side)
        hidden = look_up(mapped, near.index)
        hidden += self._position(near.offset, cell_in_pixels(cell, height, width))
        for layer in self.imnet.layers[1:]:
            hidden = layer(hidden)
        return (hidden * area_shares(near.offset).unsqueeze(-1)).sum(2) * 0.5 + 0.5

    @property
    def _first(self) -> nn.Linear:
        return cast(nn.Linear, self.imnet.layers[0])

    def _position(self, offset: Tensor, cell: Tensor) -> Tensor:
        """The first layer's response (B, Q, N, width) to offsets (B, Q, N, 2) and cells (B, Q, 2) in LR pixels."""
        first = self._first
        position = 2 * offset
        if self.cell_decode:
            position = torch.cat([position, 2 * cell.unsqueeze(2).expand_as(offset)], -1)
        with torch.autocast(offset.device.type, enabled=False):
            return F.linear(position.to(first.weight.dtype), first.weight[:, self.mapped_channels :], first.bias)


def area_shares(offset: Tensor) -> Tensor:
    """Compute the share of N = 4 or 1 pixels in a query, (B, Q, N), from the query's offsets (B, Q, N, 2) to them.

    That is the area between the query and the pixel diagonally opposite, over all four. Taken as one factor a side:
    on the outermost pixels' centres all four areas vanish, but their ratios do not, and colours stay continuous there.
    """
    if offset.shape[2] == 1:
        return torch.ones_like(offset[..., 0])
    distance = offset.abs() + 1e-9
    opposite = distance.flip(2)
    return (opposite / (distance + opposite)).prod(-1)
