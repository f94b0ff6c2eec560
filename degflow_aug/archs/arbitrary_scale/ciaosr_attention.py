"""Cross-scale non-local attention: every LR pixel gathers larger patches of the image that look like its own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Scores (queries x keys of the whole batch) in memory at once: 256 MB; what autograd keeps comes on top.
SCORES = 2**26


class CrossScaleAttention(nn.Module):
    """Features (B, C, h, w) -> what resembles them at each of several scales, (B, C len(scales), h, w).

    For a scale s and LR pixel i, with 3x3 patches q_i of the features and k_l (unit length) of the features shrunk
    s times, a_il = softmax_l(softmax_scale <q_i, k_l>). Shrunk pixel l stands for a patch v_l of 3s x 3s features, so
    that patch sum_l a_il v_l belongs around i on a canvas s times larger: all patches are added up there and a
    convolution of stride s brings the canvas back. After Mei et al. (cross-scale non-local attention, CVPR 2020),
    which CiaoSR builds on, with the constants of CiaoSR's release (softmax_scale, the sixth of the canvas).

    Sides that are no multiple of s are mirrored at the lower and right border (repeated where they are shorter than
    s), so that any h, w >= 1 will do. Costs (h w)^2 / s^2: tiles beat photographs.

    Args:
        channels: C.
        scales: the scales s, whole numbers of at least 2.
        softmax_scale: sharpness of the attention.

    Raises:
        ValueError: no scale, the same one twice, or one that is no whole number above 1.
    """

    def __init__(self, channels: int, scales: Sequence[int], softmax_scale: float = 10.0) -> None:
        super().__init__()
        listed = isinstance(scales, Sequence) and len(scales) > 0
        whole = listed and all(isinstance(scale, int) and scale >= 2 for scale in scales)
        if not whole or len({*scales}) < len(scales):
            raise ValueError(f"expected multi_scale to list different whole numbers of at least 2, got {scales}")
        self.scales, self.softmax_scale = tuple(scales), softmax_scale
        matched = max(1, channels // 2)
        self.conv_match_1 = nn.Sequential(nn.Conv2d(channels, matched, 1), nn.PReLU())
        self.conv_match_2 = nn.Sequential(nn.Conv2d(channels, matched, 1), nn.PReLU())
        self.conv_assembly = nn.Sequential(nn.Conv2d(channels, channels, 1), nn.PReLU())
        self.down = nn.ModuleDict({str(s): nn.Conv2d(channels, channels, 3, stride=s, padding=1) for s in scales})

    def forward(self, features: Tensor) -> Tensor:
        return torch.cat([self._at_scale(features, scale) for scale in self.scales], 1)

    def _at_scale(self, features: Tensor, scale: int) -> Tensor:
        height, width = features.shape[-2:]
        mode = "reflect" if min(height, width) >= scale else "replicate"
        padded = F.pad(features, (0, -width % scale, 0, -height % scale), mode=mode)
        h, w = padded.shape[-2:]
        shrunk = F.interpolate(padded, size=(h // scale, w // scale), mode="bilinear", align_corners=False)
        query = F.unfold(self.conv_match_1(padded), 3, padding=1)
        key = F.unfold(self.conv_match_2(shrunk), 3, padding=1)
        value = F.unfold(self.conv_assembly(padded), 3 * scale, padding=scale, stride=scale)
        patches = self._attend(query.transpose(1, 2), key, value.transpose(1, 2))
        canvas = F.fold(patches.transpose(1, 2), (scale * h, scale * w), 3 * scale, padding=scale, stride=scale)
        return self.down[str(scale)](canvas)[..., :height, :width] / 6

    def _attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Patches (B, N, d) of N pixels from queries (B, N, c), keys (B, c, L) and values (B, L, d)."""
        # The softmax multiplies what bfloat16 would round away.
        with torch.autocast(query.device.type, enabled=False):
            wide = torch.promote_types(query.dtype, torch.float32)
            query, key = self.softmax_scale * query.to(wide), key.to(wide)
            key = key / key.norm(dim=1, keepdim=True).clamp_min(1e-4)
        parts = []
        for part in query.split(max(1, SCORES // (key.shape[0] * key.shape[2])), dim=1):
            with torch.autocast(query.device.type, enabled=False):
                attention = torch.softmax(part @ key, -1)
            parts.append(attention.to(value.dtype) @ value)
        return torch.cat(parts, 1)
