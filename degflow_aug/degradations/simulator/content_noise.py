"""Noise of a simulated camera that depends on the content of an image, the scale and a seed, and on nothing else."""

from __future__ import annotations

import zlib

import numpy as np
import torch
from torch import Tensor

from degflow_aug.draws import fresh_seed


def content_noise(hr: Tensor, like: Tensor, scale: float, seed: int | None) -> Tensor:
    """Standard normal noise of the shape of ``like``, drawn on the CPU so that every device sees the same.

    Args:
        hr: (B, 3, H, W) in [0, 1]; its 8-bit values count.
        like: (B, C, h, w).
        scale: what else it depends on.
        seed: likewise; without one the noise is another in every call.
    """
    fields, own = [], fresh_seed() if seed is None else seed % 2**63
    for image in hr:
        content = (image.clamp(0, 1) * 255).round().byte().cpu().numpy().tobytes()
        entropy = [zlib.crc32(content), round(scale * 1_000_000), own]
        drawn = int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> np.uint64(1))
        generator = torch.Generator().manual_seed(drawn)
        fields.append(torch.randn(like.shape[1:], generator=generator, dtype=torch.float32))
    return torch.stack(fields).to(like)
