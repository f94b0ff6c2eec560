"""MetaSR against its formula, query by query."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers.query_reference import EDSR, Array, around, check_queries, images, run_mlp
from helpers.random_networks import randomise

from degflow_aug.archs.arbitrary_scale.arbitrary_scale_network import pixel_centres
from degflow_aug.archs.arbitrary_scale.metasr_arch import MetaSR


def tiny(*hidden: int) -> MetaSR:
    network = MetaSR(encoder_spec=EDSR, hidden_list=hidden or (6,))
    randomise(network)
    return network.double()


def reference(network: MetaSR, features: Array, image: Array, coord: Array, cell: Array) -> Array:
    """One query; pixels and offsets are counted from the upper left corner of the image."""
    size = np.array(features.shape[1:])
    corner = (coord - cell / 2 + 1) / 2 * size
    pixel = np.clip(np.floor(corner), 0, size - 1).astype(int)
    position = np.array([*(corner - pixel), cell[0] * size[0] / 2])
    weight = run_mlp(network.imnet, position).reshape(-1, 3)
    return (around(features, *pixel) @ weight) * 0.5 + 0.5


@pytest.mark.parametrize(("size", "hidden"), [((5, 7), (6,)), ((2, 3), (6, 5)), ((1, 4), (3,))])
def test_queries_are_the_formula(size: tuple[int, int], hidden: tuple[int, ...]) -> None:
    check_queries(tiny(*hidden), images(1, 2, 3, *size), reference)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_an_integer_scale_uses_each_lr_pixel_for_its_own_block(scale: int) -> None:
    network, lq = tiny(), images(1, 1, 3, 3, 4).float()
    network.float()
    coord = pixel_centres(3 * scale, 4 * scale).unsqueeze(0)
    cell = torch.tensor([2 / (3 * scale), 2 / (4 * scale)]).expand_as(coord)
    found = network(lq, coord, cell).reshape(3, scale, 4, scale, 3)
    features = network.encode(lq)[0][0]
    for row in range(scale):
        for column in range(scale):
            weight = network.imnet(torch.tensor([row / scale, column / scale, 1 / scale])).reshape(-1, 3)
            torch.testing.assert_close(found[:, row, :, column], features @ weight * 0.5 + 0.5, atol=2e-5, rtol=0)
