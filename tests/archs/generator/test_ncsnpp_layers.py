from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers.random_networks import randomise

from degflow_aug.archs.generator.ncsnpp_layers import (
    NIN,
    Attention,
    Block,
    conv,
    dense,
    fan_average_,
    group_norm,
    time_embedding,
)


@pytest.mark.parametrize(
    ("channels", "groups"),
    [
        (4, 1),
        (8, 2),
        (16, 4),
        (48, 12),
        (128, 32),
        (256, 32),
        (512, 32),
        (144, 24),
        (6, 1),
        (3, 1),
        (200, 25),
        (2, 1),
    ],
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


@pytest.mark.parametrize(("scale", "fan_in", "fan_out"), [(1.0, 400, 100), (0.1, 64, 64), (0.0, 300, 300)])
def test_weights_are_uniform_with_the_fan_average_variance(scale: float, fan_in: int, fan_out: int) -> None:
    torch.manual_seed(0)
    weight = fan_average_(torch.empty(400, 400), scale, fan_in, fan_out)
    variance = (scale or 1e-10) * 2 / (fan_in + fan_out)
    assert float(weight.var()) == pytest.approx(variance, rel=0.02)
    assert float(weight.abs().max()) == pytest.approx(math.sqrt(3 * variance), rel=0.01)


def test_layers_start_as_the_official_ones() -> None:
    torch.manual_seed(0)
    for layer, variance in ((conv(32, 64, 3), 2 / (9 * 96)), (conv(32, 64, 1), 2 / 96), (dense(100, 300), 2 / 400)):
        assert float(layer.weight.detach().var()) == pytest.approx(variance, rel=0.1)
        assert not layer.bias.any()
    block, attention = Block(16, 32, 64, 0.1), Attention(64)
    assert block.Conv_1.weight.abs().max() < 1e-5 < block.Conv_0.weight.abs().max()
    assert attention.NIN_3.W.abs().max() < 1e-5
    assert float(attention.NIN_0.W.detach().var()) == pytest.approx(0.1 / 64, rel=0.1)


def test_nin_is_a_matrix_over_channels_in_to_out() -> None:
    layer, x = randomise(NIN(5, 1.0)), torch.randn(2, 5, 3, 4, generator=torch.Generator().manual_seed(0))
    truth = torch.einsum("bihw,io->bohw", x, layer.W) + layer.b[:, None, None]
    torch.testing.assert_close(layer(x), truth)


def test_attention_is_softmax_over_all_positions() -> None:
    layer, x = randomise(Attention(8)), torch.randn(2, 8, 3, 5, generator=torch.Generator().manual_seed(0))
    h = layer.GroupNorm_0(x)
    query, key, value = (nin(h).flatten(2) for nin in (layer.NIN_0, layer.NIN_1, layer.NIN_2))
    weights = torch.softmax(torch.einsum("bcq,bck->bqk", query, key) / math.sqrt(8), -1)
    h = torch.einsum("bqk,bck->bcq", weights, value).reshape(x.shape)
    torch.testing.assert_close(layer(x), (x + layer.NIN_3(h)) / math.sqrt(2), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("up", "down"), [(False, False), (True, False), (False, True)])
@pytest.mark.parametrize(("before", "after"), [(8, 8), (8, 16)])
def test_a_block_is_its_equation(before: int, after: int, up: bool, down: bool) -> None:
    block = randomise(Block(before, after, 12, 0.5, up=up, down=down))
    generator = torch.Generator().manual_seed(0)
    x, time = torch.randn(2, before, 6, 4, generator=generator), torch.randn(2, 12, generator=generator)

    def resample(x: torch.Tensor) -> torch.Tensor:
        if down:
            return (x[..., ::2, ::2] + x[..., 1::2, ::2] + x[..., ::2, 1::2] + x[..., 1::2, 1::2]) / 4
        return x.repeat_interleave(2, -1).repeat_interleave(2, -2) if up else x

    h = block.Conv_0(resample(F.silu(block.GroupNorm_0(x)))) + block.Dense_0(F.silu(time))[:, :, None, None]
    h = block.Conv_1(F.silu(block.GroupNorm_1(h)))
    assert (block.Conv_2 is not None) == (before != after or up or down)
    shortcut = resample(x) if block.Conv_2 is None else block.Conv_2(resample(x))
    torch.testing.assert_close(block(x, time), (shortcut + h) / math.sqrt(2), rtol=1e-5, atol=1e-5)


def test_dropout_acts_in_training_only() -> None:
    block = randomise(Block(8, 8, 4, 0.5))
    x, time = torch.ones(1, 8, 4, 4).cumsum(-1), torch.ones(1, 4)
    assert torch.equal(block(x, time), block(x, time))
    block.train()
    assert not torch.equal(block(x, time), block(x, time))
