from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from degflow_aug.archs.generator.ncsnpp_layers import (
    Attention,
    Block,
    conv,
    dense,
    group_norm,
    time_embedding,
)


@pytest.mark.parametrize(
    ("channels", "groups"),
    [(4, 1), (8, 2), (16, 4), (48, 12), (128, 32), (256, 32), (512, 32), (144, 24), (6, 1), (3, 1), (200, 25), (2, 1)],
)
def test_group_norm_has_the_official_groups_and_always_divides(channels: int, groups: int) -> None:
    norm = group_norm(channels)
    assert (norm.num_groups, norm.num_channels, norm.eps) == (groups, channels, 1e-6)


@pytest.mark.parametrize("channels", [8, 128, 9])
def test_time_embedding_is_sines_and_cosines_at_geometric_frequencies(channels: int) -> None:
    t = np.array([0.0, 0.3, 17.5, 999.0])
    half = channels // 2
    angles = t[:, None] * 10_000 ** (-np.arange(half) / (half - 1))
    truth = np.concatenate([np.sin(angles), np.cos(angles), np.zeros((4, channels % 2))], 1)
    found = time_embedding(torch.tensor(t), channels)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), truth, atol=2e-4)


def test_layers_start_as_the_official_ones() -> None:
    torch.manual_seed(0)
    for layer, variance in ((conv(32, 64, 3), 2 / (9 * 96)), (conv(32, 64, 1), 2 / 96), (dense(100, 300), 2 / 400)):
        weight = layer.weight.detach()
        assert float(weight.var()) == pytest.approx(variance, rel=0.1)
        # Uniform, so no value lies beyond sqrt(3) deviations.
        assert float(weight.abs().max()) == pytest.approx(math.sqrt(3 * variance), rel=0.01)
        assert not layer.bias.any()
    block, attention = Block(16, 32, 64, 0.1), Attention(64)
    assert block.Conv_1.weight.abs().max() < 1e-5 < block.Conv_0.weight.abs().max()
    assert attention.NIN_3.W.abs().max() < 1e-5
    assert float(attention.NIN_0.W.detach().var()) == pytest.approx(0.1 / 64, rel=0.1)
