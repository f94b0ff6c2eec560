"""LTE against its formula, query by query, and what is left of it when nothing is learned."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers.query_reference import (
    EDSR,
    Array,
    bilinear_at,
    centres,
    convolve,
    encoded,
    images,
    nearest_pixels,
    random_queries,
    run_mlp,
)
from helpers.random_networks import randomise
from torch import nn

from degflow_aug.archs.arbitrary_scale.arbitrary_scale_network import pixel_centres, upscale
from degflow_aug.archs.arbitrary_scale.lte_arch import LTE

IMNET = {"name": "mlp", "args": {"out_dim": 3, "hidden_list": [7, 5]}}


def tiny() -> LTE:
    network = LTE(encoder_spec=EDSR, imnet_spec=IMNET, hidden_dim=6)
    randomise(network)
    return network.double()


def reference(network: LTE, features: Array, image: Array, coord: Array, cell: Array) -> Array:
    """One query (2,), (2,) of normalised features and image, in half LR pixels as in the paper's release."""
    height, width = image.shape[1:]
    size = np.array([height, width])
    predictions, areas = [], []
    for row in nearest_pixels(coord[0], height, 2):
        for column in nearest_pixels(coord[1], width, 2):
            centre = np.array([centres(height, 0, height)[row], centres(width, 0, width)[column]])
            offset = (coord - centre) * size
            frequency = convolve(network.freq, features, row, column).reshape(-1, 2)
            angle = frequency @ offset + network.phase.weight.detach().numpy() @ (cell * size)
            fourier = np.concatenate([np.cos(np.pi * angle), np.sin(np.pi * angle)])
            predictions.append(run_mlp(network.imnet, convolve(network.coef, features, row, column) * fourier))
            areas.append(abs(offset[0] * offset[1]) + 4e-9)
    blended = sum(p * a for p, a in zip(predictions, reversed(areas), strict=True)) / sum(areas)
    return (blended + bilinear_at(image, *coord)) * 0.5 + 0.5


@pytest.mark.parametrize("size", [(5, 7), (2, 3), (1, 4)])
def test_queries_are_the_formula(size: tuple[int, int]) -> None:
    network, lq = tiny(), images(1, 2, 3, *size)
    coord, cell = random_queries(2, 2, 24)
    found = network(lq, coord, cell).detach().numpy()
    for sample in range(2):
        normalised = (lq[sample] - 0.5) / 0.5
        features = encoded(network, normalised)
        for query in range(24):
            where = coord[sample, query].numpy(), cell[sample, query].numpy()
            expected = reference(network, features, normalised.numpy(), *where)
            np.testing.assert_allclose(found[sample, query], expected, atol=1e-9)


@pytest.mark.parametrize("size", [(6, 8), (16, 21), (3, 40)])
def test_nothing_learned_is_the_bilinear_image(size: tuple[int, int]) -> None:
    network, lq = tiny(), images(4, 2, 3, 6, 8)
    last = [layer for layer in network.imnet.modules() if isinstance(layer, nn.Linear)][-1]
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    found = upscale(network.float(), lq.float(), size)
    expected = F.interpolate(lq.float(), size=size, mode="bilinear", align_corners=False)
    torch.testing.assert_close(found, expected, atol=2e-6, rtol=0)


@torch.no_grad()
def test_colour_is_continuous_across_pixel_centres_and_borders() -> None:
    network, lq = tiny(), images(5, 1, 3, 4, 4)
    line = torch.linspace(-0.95, 0.95, 4001, dtype=torch.float64)
    coord = torch.stack([torch.full_like(line, 0.13), line], -1).unsqueeze(0)
    colours = network(lq, coord, torch.full_like(coord, 0.1))
    assert float(colours.std(1).min()) > 1e-2
    assert float(colours.diff(dim=1).abs().max()) < 2e-2


@torch.no_grad()
def test_the_cell_matters() -> None:
    network, lq = tiny(), images(5, 1, 3, 4, 4)
    coord = pixel_centres(4, 4).double().unsqueeze(0)
    near, far = (network(lq, coord, torch.full_like(coord, cell)) for cell in (0.1, 0.4))
    assert float((near - far).abs().max()) > 1e-3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"hidden_dim": 5}, "hidden_dim"),
        ({"hidden_dim": 0}, "hidden_dim"),
        ({"imnet_spec": {"name": "siren", "args": {"hidden_list": [4]}}}, "imnet_spec"),
        ({"imnet_spec": {"name": "mlp"}}, "imnet_spec"),
        ({"imnet_spec": {"name": "mlp", "args": {"hidden_list": [4], "out_dim": 1}}}, "out_dim"),
        ({"imnet_spec": {"name": "mlp", "args": {"hidden_list": [4], "width": 1}}}, "width"),
        ({"imnet_spec": {"name": "mlp", "args": {"hidden_list": [0]}}}, "at least 1"),
        ({"imnet_spec": {"name": "mlp", "args": {"hidden_list": 256}}}, "hidden_list"),
    ],
)
def test_a_wrong_argument_is_named(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LTE(encoder_spec=EDSR, **arguments)
