"""The perceptron against NumPy, its keys, and what an option file may say of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers.query_reference import run_mlp

from degflow_aug.archs.arbitrary_scale.implicit_mlp import MLP, build_imnet
from degflow_aug.models.inference.peak_memory import PeakMemory


@pytest.mark.parametrize("hidden", [[], [5], [7, 3, 4]])
def test_layers_are_linear_with_relu_between(hidden: list[int]) -> None:
    torch.manual_seed(0)
    network = MLP(6, 2, hidden).double()
    x = np.random.default_rng(0).normal(size=(4, 3, 6))
    found = network(torch.from_numpy(x)).detach().numpy()
    for index in np.ndindex(4, 3):
        np.testing.assert_allclose(found[index], run_mlp(network, x[index]), atol=1e-12)


def test_keys_are_those_of_the_release() -> None:
    keys = [f"layers.{number}.{name}" for number in (0, 2, 4) for name in ("weight", "bias")]
    assert list(MLP(6, 2, [5, 4]).state_dict()) == keys


@torch.no_grad()
@pytest.mark.parametrize(("hidden", "out"), [([], 30), ([8], 90), ([64, 8, 8], 3), ([8, 64, 40], 3)])
def test_memory_of_a_row_is_what_is_promised(hidden: list[int], out: int) -> None:
    network, x = MLP(6, out, hidden), torch.rand(100, 6)
    with PeakMemory() as memory:
        network(x)
    assert memory.peak == 4 * 100 * network.floats_per_row


def test_a_spec_builds_it_with_or_without_its_three_colours() -> None:
    for args in ({"hidden_list": [5]}, {"hidden_list": [5], "out_dim": 3}):
        network = build_imnet({"name": "mlp", "args": args}, 6)
        assert [tuple(value.shape) for value in network.state_dict().values()] == [(5, 6), (5,), (3, 5), (3,)]
