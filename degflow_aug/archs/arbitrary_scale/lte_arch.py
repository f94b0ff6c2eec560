"""LTE, the local texture estimator (Lee & Jin, CVPR 2022): colours from locally estimated Fourier components."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from degflow_aug.archs.arbitrary_scale.arbitrary_scale_network import ArbitraryScaleNetwork, Features
from degflow_aug.archs.arbitrary_scale.feature_lookup import (
    Neighbours,
    bilinear,
    cell_in_pixels,
    check_image,
    check_query,
    look_up,
    neighbours,
    rows,
)
from degflow_aug.archs.arbitrary_scale.implicit_mlp import build_imnet
from degflow_aug.archs.network_arguments import check_kind

IMNET_SPEC = {"name": "mlp", "args": {"out_dim": 3, "hidden_list": [256, 256, 256]}}


class LTE(ArbitraryScaleNetwork):
    """colour(x) = bilinear(x) + sum_j w_j g(A_j * [cos(pi a_j), sin(pi a_j)]), a_j = <F_j, d_j> + P c.

    j runs over the four LR pixels around x: amplitudes A_j and frequencies F_j (pairs: channel 2k for rows, 2k + 1 for
    columns) come from 3x3 convolutions of the encoder's features, d_j = x - x_j and the cell c count half LR pixels
    (the release's unit), the phase P is linear, g an MLP, and w_j the area that x spans with the opposite pixel.
    Normalised with (image - 0.5) / 0.5. Any LR size from 1x1.

    Beyond the scales of training the authors' evaluation hands in a cell no smaller than the smallest trained one; that
    is left to the caller.

    Args:
        encoder_spec: what :func:`build_encoder` takes.
        imnet_spec: ``{name: mlp, args: {out_dim: 3, hidden_list: [...]}}``; three layers of 256 where None.
        hidden_dim: number of amplitudes, twice that of frequencies in two dimensions.

    Raises:
        ValueError: a ``hidden_dim`` that is no even number, or a spec that is not understood.
    """

    def __init__(
        self,
        *,
        encoder_spec: Mapping[str, Any],
        imnet_spec: Mapping[str, Any] | None = None,
        hidden_dim: int = 256,
    ) -> None:
        check_kind(int, "LTE", hidden_dim=hidden_dim)
        if hidden_dim < 2 or hidden_dim % 2:
            raise ValueError(f"expected hidden_dim to be even and at least 2, got {hidden_dim}; cos and sin share it")
        imnet_spec = IMNET_SPEC if imnet_spec is None else imnet_spec
        super().__init__(encoder_spec=encoder_spec, imnet_spec=imnet_spec, hidden_dim=hidden_dim)
        self.coef = nn.Conv2d(self.encoder.out_dim, hidden_dim, 3, padding=1)
        self.freq = nn.Conv2d(self.encoder.out_dim, hidden_dim, 3, padding=1)
        self.phase = nn.Linear(2, hidden_dim // 2, bias=False)
        self.imnet = build_imnet(imnet_spec, hidden_dim)
        # Making the components, or the MLP over them; beside them index, offset, area, colours, a phase per query.
        widest = max(9 * hidden_dim // 2, hidden_dim + self.imnet.floats_per_row)
        self.floats_per_query = 4 * (widest + 20) + hidden_dim // 2

    def encode(self, lq: Tensor) -> Features:
        """Encode LR images (B, 3, h, w) in [0, 1] as amplitudes and frequencies (B, h, w, 2 hidden_dim), the image."""
        check_image(lq)
        image = (lq - 0.5) / 0.5
        features = self.encoder(image)
        return rows(torch.cat([self.coef(features), self.freq(features)], 1)), image

    def query(self, features: Features, coord: Tensor, cell: Tensor) -> Tensor:
        """Predict colours (B, Q, 3) in [0, 1] (not clamped) at coord (B, Q, 2) for pixels of size cell (B, Q, 2)."""
        maps, image = features
        height, width = image.shape[-2:]
        check_query(coord, cell, len(image))
        near = neighbours(coord, height, width, 2)
        local = self.imnet(self._components(maps, near, 2 * cell_in_pixels(cell, height, width)))
        area = near.offset.prod(-1).abs() + 1e-9
        weight = area.flip(-1) / area.sum(-1, keepdim=True)
        residual = (local * weight.unsqueeze(-1)).sum(2)
        return (bilinear(image, coord) + residual) * 0.5 + 0.5

    def _components(self, maps: Tensor, near: Neighbours, cell: Tensor) -> Tensor:
        """Fourier components (B, Q, 4, hidden_dim) at the LR pixels around each query, its cell in half LR pixels.

        The angles need more than bfloat16: autocast leaves products and sums of float32 alone, linear layers not.
        """
        coef, freq = look_up(maps, near.index).chunk(2, -1)
        row, column = (2 * near.offset).split(1, -1)
        phase = (cell.unsqueeze(-2) * self.phase.weight).sum(-1)
        angle = math.pi * (freq[..., 0::2] * row + freq[..., 1::2] * column + phase.unsqueeze(2))
        return coef * torch.cat([torch.cos(angle), torch.sin(angle)], -1)
