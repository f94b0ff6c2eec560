"""LTE against its formula, query by query, and what is left of it when nothing is learned."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.query_reference import (
    EDSR,
    Array,
    bilinear_at,
    centres,
    check_queries,
    convolve,
    images,
    nearest_pixels,
    run_mlp,
)
from helpers.random_networks import randomise

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
    check_queries(tiny(), images(1, 2, 3, *size), reference)


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
