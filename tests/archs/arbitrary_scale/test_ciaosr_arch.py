"""CiaoSR against its formulas: the attention over a query's surroundings, and the cross-scale one over the image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers.query_reference import (
    EDSR,
    Array,
    around,
    bilinear_at,
    centres,
    check_queries,
    convolve,
    images,
    nearest_pixels,
    run_mlp,
)
from helpers.random_networks import randomise
from torch import nn

from degflow_aug.archs.arbitrary_scale import ciaosr_attention
from degflow_aug.archs.arbitrary_scale.ciaosr_arch import CiaoSR
from degflow_aug.archs.arbitrary_scale.ciaosr_attention import CrossScaleAttention

MEAN = np.array([0.4488, 0.4371, 0.4040])
WIDTHS = {"imnet_q": [6], "imnet_k": [5, 4], "imnet_v": [7]}


def tiny(**arguments: object) -> CiaoSR:
    network = CiaoSR(**{"encoder_spec": EDSR, **WIDTHS, **arguments})
    randomise(network)
    return network.double()


def reference(network: CiaoSR, features: Array, image: Array, coord: Array, cell: Array) -> Array:
    """One query of features (C, h, w) and an image without its mean."""
    height, width = image.shape[1:]
    size, extra = np.array([height, width]), np.zeros((0, height, width))
    if network.cs_attn is not None:
        extra = network.cs_attn(torch.from_numpy(features).unsqueeze(0))[0].detach().numpy()

    def key_features(row: int, column: int) -> Array:
        return around(features, row, column) if network.spec["feat_unfold"] else features[:, row, column]

    query = key_features(nearest_pixels(coord[0], height, 1)[0], nearest_pixels(coord[1], width, 1)[0])
    scores, values = [], []
    side = network.spec["local_size"]
    for row in nearest_pixels(coord[0], height, side):
        for column in nearest_pixels(coord[1], width, side):
            centre = np.array([centres(height, 0, height)[row], centres(width, 0, width)[column]])
            position = np.concatenate([(coord - centre) * size, cell * size])
            key = key_features(row, column)
            value = np.concatenate([key, extra[:, row, column]])
            scores.append(query @ (key * run_mlp(network.imnet_k, np.concatenate([key, position]))))
            values.append(value * run_mlp(network.imnet_v, np.concatenate([value, position])))
    attention = np.exp(np.array(scores) / network.spec["softmax_scale"])
    blended = attention @ np.array(values) / attention.sum()
    return run_mlp(network.imnet_q, blended) + bilinear_at(image, *coord) + MEAN


@pytest.mark.parametrize(
    ("size", "arguments"),
    [
        ((5, 7), {}),
        ((2, 3), {"softmax_scale": 0.5}),
        ((1, 4), {}),
        ((4, 5), {"local_size": 1}),
        ((4, 5), {"local_size": 3, "multi_scale": [2, 3]}),
        ((4, 5), {"feat_unfold": False}),
        ((4, 5), {"non_local_attn": False}),
    ],
)
def test_queries_are_the_formula(size: tuple[int, int], arguments: dict[str, object]) -> None:
    network, mean = tiny(**arguments), torch.from_numpy(MEAN).view(3, 1, 1)
    # The network holds the mean in float32.
    check_queries(network, images(1, 2, 3, *size), reference, mean, std=1.0, atol=1e-7)


def test_published_sizes_have_the_parameters_of_the_release() -> None:
    with torch.device("meta"):
        network = CiaoSR(encoder_spec={"name": "edsr-baseline"})
    parts = (network.imnet_q, network.imnet_k, network.imnet_v, network.cs_attn)
    counts = [sum(parameter.numel() for parameter in part.parameters()) for part in parts]
    assert counts == [362_243, 494_144, 526_976, 45_251]


def prelu(layers: nn.Sequential, x: Array) -> Array:
    """1x1 convolution and PReLU of (C, h, w)."""
    weight, bias = (parameter.detach().numpy() for parameter in layers[0].parameters())
    x = np.einsum("oc,chw->ohw", weight[..., 0, 0], x) + bias[:, None, None]
    return np.where(x > 0, x, layers[1].weight.item() * x)


def cross_scale(attention: CrossScaleAttention, features: Array, s: int) -> Array:
    """Cross-scale attention of (C, h, w), written onto the canvas patch by patch; h and w at least s."""
    channels, h, w = features.shape
    padded = np.pad(features, ((0, 0), (0, -h % s), (0, -w % s)), mode="reflect")
    rows, columns = padded.shape[1] // s, padded.shape[2] // s
    blocks = padded.reshape(channels, rows, s, columns, s)
    shrunk = blocks[:, :, (s - 1) // 2 : s // 2 + 1, :, (s - 1) // 2 : s // 2 + 1].mean((2, 4))
    matched, small = prelu(attention.conv_match_1, padded), prelu(attention.conv_match_2, shrunk)
    source = np.pad(prelu(attention.conv_assembly, padded), ((0, 0), (s, s), (s, s)))
    places = [(i, j) for i in range(rows) for j in range(columns)]
    keys = np.array([around(small, i, j) for i, j in places])
    keys = keys / np.linalg.norm(keys, axis=1, keepdims=True)
    patches = np.array([source[:, s * i : s * i + 3 * s, s * j : s * j + 3 * s] for i, j in places])
    canvas = np.zeros((channels, s * s * rows + 2 * s, s * s * columns + 2 * s))
    for i in range(s * rows):
        for j in range(s * columns):
            scores = np.exp(attention.softmax_scale * keys @ around(matched, i, j))
            canvas[:, s * i : s * i + 3 * s, s * j : s * j + 3 * s] += np.tensordot(scores / scores.sum(), patches, 1)
    canvas = canvas[:, s:-s, s:-s]
    down = attention.down[str(s)]
    return np.array([[convolve(down, canvas, s * i, s * j) / 6 for j in range(w)] for i in range(h)]).transpose(2, 0, 1)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("size", [(6, 4), (5, 7)])
def test_cross_scale_attention_is_its_definition(scale: int, size: tuple[int, int]) -> None:
    attention = CrossScaleAttention(3, [scale])
    randomise(attention)
    features = images(3, 2, 3, *size) - 0.5
    found = attention.double()(features).detach().numpy()
    for sample in range(2):
        np.testing.assert_allclose(found[sample], cross_scale(attention, features[sample].numpy(), scale), atol=1e-9)


def test_cross_scale_attention_in_parts_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    attention = CrossScaleAttention(4, [2, 3])
    randomise(attention)
    features = images(3, 2, 4, 9, 11).float()
    whole = attention(features)
    monkeypatch.setattr(ciaosr_attention, "SCORES", 100)
    assert whole.shape == (2, 8, 9, 11)
    torch.testing.assert_close(attention(features), whole, atol=1e-6, rtol=0)


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (2, 2), (3, 2)])
def test_cross_scale_attention_of_the_smallest_images(size: tuple[int, int]) -> None:
    found = CrossScaleAttention(3, [2, 3, 4])(images(3, 1, 3, *size).float())
    assert found.shape == (1, 9, *size)
    assert bool(found.isfinite().all())


def test_features_of_zero_have_finite_attention_and_gradients() -> None:
    attention, features = CrossScaleAttention(3, [2]), torch.zeros(1, 3, 4, 4, requires_grad=True)
    nn.init.zeros_(attention.conv_match_2[0].bias)
    found = attention(features)
    found.sum().backward()
    assert bool(found.isfinite().all())
    for tensor in (features, *attention.parameters()):
        assert tensor.grad is not None
        assert bool(tensor.grad.isfinite().all())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        *(({"multi_scale": value}, "multi_scale") for value in ([], [1], [2.5], [2, 2], 2)),
        *(({name: 0}, name) for name in ("local_size", "softmax_scale")),
        ({"imnet_k": [0]}, "at least 1"),
        ({"imnet_q": 256}, "hidden_list"),
    ],
)
def test_a_wrong_argument_is_named(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CiaoSR(encoder_spec=EDSR, **arguments)
