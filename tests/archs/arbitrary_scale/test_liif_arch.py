"""LIIF against a query-by-query rewrite, and against what its image should do."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from helpers.query_reference import Array, around, centres, encoded, images, nearest_pixels, random_queries, run_mlp
from helpers.random_networks import randomise

from degflow_aug import compat
from degflow_aug.archs.arbitrary_scale.liif_arch import LIIF

if not compat.has_basicsr():
    pytest.skip("BasicSR is not installed", allow_module_level=True)

EDSR = {"name": "edsr-baseline", "args": {"n_resblocks": 1, "n_feats": 6}}
IMNET = {"name": "mlp", "args": {"hidden_list": [10, 7]}}
SWITCHES = list(itertools.product([True, False], repeat=3))


def random_liif(**arguments: Any) -> LIIF:
    network = randomise(LIIF(**{"encoder_spec": EDSR, "imnet_spec": IMNET} | arguments))
    assert isinstance(network, LIIF)
    return network


def reference(network: LIIF, features: Array, coord: Array, cell: Array) -> Array:
    """One query of one image as the paper words it: features (C, h, w), coord (2,), cell (2,) -> RGB (3,)."""
    ensemble, unfold, cell_decode = (network.spec[key] for key in ("local_ensemble", "feat_unfold", "cell_decode"))
    size = np.array(features.shape[1:])
    answers, areas = [], []
    for row in nearest_pixels(coord[0], size[0], 2 if ensemble else 1):
        for column in nearest_pixels(coord[1], size[1], 2 if ensemble else 1):
            centre = np.array([centres(size[0], 0, size[0])[row], centres(size[1], 0, size[1])[column]])
            offset = (coord - centre) * size
            latent = around(features, row, column) if unfold else features[:, row, column]
            answers.append(run_mlp(network.imnet, np.concatenate([latent, offset, cell * size if cell_decode else []])))
            areas.append(abs(offset[0] * offset[1]))
    # Each answer counts with the area towards the pixel diagonally opposite.
    blended = sum(area * answer for area, answer in zip(reversed(areas), answers, strict=True)) / sum(areas)
    return blended * 0.5 + 0.5


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (4, 3), (7, 9)])
@pytest.mark.parametrize("switches", SWITCHES, ids=str)
def test_every_query_is_the_papers(switches: tuple[bool, bool, bool], size: tuple[int, int]) -> None:
    names = ("local_ensemble", "feat_unfold", "cell_decode")
    network, lq = random_liif(**dict(zip(names, switches, strict=True))).double(), images(1, 2, 3, *size)
    coord, cell = random_queries(2, 2, 12)
    coord[0, 0], coord[0, 1], coord[1, 0] = torch.tensor([[-1.0, -1.0], [1.0, 1.0], [-0.999, 0.999]])
    found = network(lq, coord, cell).detach().numpy()
    for sample, query in itertools.product(range(2), range(12)):
        features = encoded(network, (lq[sample] - 0.5) / 0.5)
        truth = reference(network, features, coord[sample, query].numpy(), cell[sample, query].numpy())
        np.testing.assert_allclose(found[sample, query], truth, atol=1e-9)
    assert found.std() > 0.01


def test_default_sizes_are_the_papers() -> None:
    with torch.device("meta"):
        network = LIIF(encoder_spec={"name": "edsr-baseline", "args": {"no_upsampling": True}})
    shapes = [tuple(value.shape) for key, value in network.state_dict().items() if key.startswith("imnet.layers")]
    assert shapes[::2] == [(256, 64 * 9 + 4), (256, 256), (256, 256), (256, 256), (3, 256)]
    assert [key for key in network.state_dict() if "imnet" in key][:3] == [
        "imnet.layers.0.weight",
        "imnet.layers.0.bias",
        "imnet.layers.2.weight",
    ]
