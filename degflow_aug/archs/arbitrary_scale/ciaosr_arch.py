"""CiaoSR (Cao et al., CVPR 2023): attention, not area, decides how the LR pixels around a query are blended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from degflow_aug.archs.arbitrary_scale.arbitrary_scale_network import ArbitraryScaleNetwork, Features
from degflow_aug.archs.arbitrary_scale.ciaosr_attention import CrossScaleAttention
from degflow_aug.archs.arbitrary_scale.feature_lookup import (
    bilinear,
    cell_in_pixels,
    check_image,
    check_query,
    look_up,
    neighbours,
    rows,
    with_surroundings,
)
from degflow_aug.archs.arbitrary_scale.implicit_mlp import MLP
from degflow_aug.archs.network_arguments import check_kind

# Mean colour of DIV2K, red, green, blue in [0, 1].
DIV2K_MEAN = (0.4488, 0.4371, 0.4040)
HIDDEN = (256, 256, 256, 256)


class CiaoSR(ArbitraryScaleNetwork):
    """colour(x) = bilinear(x) + imnet_q(sum_j a_j v_j), a_j = softmax_j(<q, k_j> / softmax_scale).

    j runs over the LR pixels around x, each with features f_j (3x3 where ``feat_unfold``), cross-scale non-local
    features n_j, and a position r_j = (x - x_j, cell) in half LR pixels, through which the attention knows the scale:
    k_j = f_j * imnet_k(f_j, r_j), v_j = (f_j, n_j) * imnet_v(f_j, n_j, r_j), and q is f at the LR pixel nearest to x.
    The mean colour of DIV2K is taken off before and added after.

    Follows the authors' release where the paper leaves the choice open (products, no division by the square root of
    the width, bilinear skip). Two things are simpler here: the pixels around x are truly the ``local_size`` x
    ``local_size`` nearest ones (in the release the window widens a little with the scale of a batch's first query), and
    non-local features do without ``feat_unfold`` as well. Any LR size from 1x1; the non-local attention grows with the
    square of the number of LR pixels.

    Args:
        encoder_spec: what :func:`build_encoder` takes.
        imnet_q, imnet_k, imnet_v: hidden widths of the three MLPs.
        local_size: side of the window of LR pixels that a query attends to.
        feat_unfold: a pixel's features are those of the 3x3 around it.
        non_local_attn: whether there are non-local features.
        multi_scale: their scales, whole numbers of at least 2.
        softmax_scale: temperature of the attention.

    Raises:
        ValueError: an argument of another type, a width or side below 1, a temperature that is not positive, or an
            unknown encoder.
    """

    mean: Tensor

    def __init__(
        self,
        *,
        encoder_spec: Mapping[str, Any],
        imnet_q: Sequence[int] = HIDDEN,
        imnet_k: Sequence[int] = HIDDEN,
        imnet_v: Sequence[int] = HIDDEN,
        local_size: int = 2,
        feat_unfold: bool = True,
        non_local_attn: bool = True,
        multi_scale: Sequence[int] = (2,),
        softmax_scale: float = 1.0,
    ) -> None:
        check_kind(bool, "CiaoSR", feat_unfold=feat_unfold, non_local_attn=non_local_attn)
        check_kind(int, "CiaoSR", local_size=local_size)
        check_kind(float, "CiaoSR", softmax_scale=softmax_scale)
        if local_size < 1 or softmax_scale <= 0:
            raise ValueError(
                f"expected local_size of at least 1 and softmax_scale above 0, got {local_size} and {softmax_scale}"
            )
        super().__init__(
            encoder_spec=encoder_spec,
            imnet_q=imnet_q,
            imnet_k=imnet_k,
            imnet_v=imnet_v,
            local_size=local_size,
            feat_unfold=feat_unfold,
            non_local_attn=non_local_attn,
            multi_scale=multi_scale,
            softmax_scale=softmax_scale,
        )
        self.local_size, self.feat_unfold, self.softmax_scale = local_size, feat_unfold, softmax_scale
        width = self.encoder.out_dim
        self.cs_attn = CrossScaleAttention(width, multi_scale) if non_local_attn else None
        self.key_channels = width * (9 if feat_unfold else 1)
        channels = self.key_channels + (width * len(multi_scale) if non_local_attn else 0)
        self.imnet_q = MLP(channels, 3, imnet_q)
        self.imnet_k = MLP(self.key_channels + 4, self.key_channels, imnet_k)
        self.imnet_v = MLP(channels + 4, channels, imnet_v)
        self.register_buffer("mean", torch.tensor(DIV2K_MEAN).reshape(3, 1, 1), persistent=False)
        self.floats_per_query = self._floats_per_query(channels)

    def encode(self, lq: Tensor) -> Features:
        """Encode LR images (B, 3, h, w) in [0, 1] as keys' and non-local features (B, h, w, channels), the image."""
        check_image(lq)
        image = lq - self.mean
        features = self.encoder(image)
        maps = with_surroundings(features) if self.feat_unfold else features
        if self.cs_attn is not None:
            maps = torch.cat([maps, self.cs_attn(features)], 1)
        return rows(maps), image

    def query(self, features: Features, coord: Tensor, cell: Tensor) -> Tensor:
        """Predict colours (B, Q, 3) in [0, 1] (not clamped) at coord (B, Q, 2) for pixels of size cell (B, Q, 2)."""
        maps, image = features
        height, width = image.shape[-2:]
        check_query(coord, cell, len(image))
        near = neighbours(coord, height, width, self.local_size)
        scale = cell_in_pixels(cell, height, width).unsqueeze(2).expand_as(near.offset)
        position = 2 * torch.cat([near.offset, scale], -1)
        found = look_up(maps, near.index)
        attention = self._attention(found[..., : self.key_channels], maps, coord, position)
        value = found * self.imnet_v(torch.cat([found, position], -1))
        residual = self.imnet_q((attention.unsqueeze(-1) * value).sum(2))
        return bilinear(image, coord) + residual + self.mean.flatten()

    def _attention(self, near: Tensor, maps: Tensor, coord: Tensor, position: Tensor) -> Tensor:
        """Weights (B, Q, N) of the pixels around each query, summing to one; sums of products stay float32."""
        height, width = maps.shape[1:3]
        query = look_up(maps, neighbours(coord, height, width, 1).index)[..., : self.key_channels]
        key = near * self.imnet_k(torch.cat([near, position], -1))
        return torch.softmax((query * key).sum(-1, dtype=position.dtype) / self.softmax_scale, -1)

    def _floats_per_query(self, channels: int) -> int:
        """The largest of the stages: keys, values, blending, colour; with index, offset, position and weight."""
        around = self.local_size**2
        stages = (
            channels + around * (channels + self.key_channels + self.imnet_k.floats_per_row),
            around * (2 * channels + self.imnet_v.floats_per_row),
            around * 3 * channels + channels,
            around * 2 * channels + channels + self.imnet_q.floats_per_row,
        )
        return max(stages) + 24 * around
