"""Activations that wait on the CPU: the same gradients, and no copy of a weight."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from degflow_aug.onestep.offload import activations_on_cpu
from degflow_aug.onestep.restoration.enlargement import ENLARGEMENTS, enlarge


def test_gradients_are_the_same_and_weights_stay() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 4))
    inputs = torch.rand(3, 8)
    gradients = []
    for offloaded in (False, True):
        network.zero_grad()
        if offloaded:
            hooks = activations_on_cpu(network.parameters())
            kept = []
            pack = hooks.pack_hook
            hooks.pack_hook = lambda tensor, pack=pack, kept=kept: kept.append(pack(tensor)) or kept[-1]
            with hooks:
                loss = network(inputs).square().sum()
            assert any(device is None for device, _ in kept)
            storages = {weight.untyped_storage().data_ptr() for weight in network.parameters()}
            for device, tensor in kept:
                assert (tensor.untyped_storage().data_ptr() in storages) is (device is None)
        else:
            loss = network(inputs).square().sum()
        loss.backward()
        gradients.append([weight.grad.clone() for weight in network.parameters()])
    assert all(torch.equal(one, other) for one, other in zip(*gradients, strict=True))


@pytest.mark.parametrize("how", ENLARGEMENTS)
def test_enlargements_keep_constants_and_range(how: str) -> None:
    assert torch.allclose(enlarge(torch.full((1, 3, 5, 7), 0.3), (20, 28), how), torch.full((1, 3, 20, 28), 0.3))
    made = enlarge(torch.rand(1, 3, 6, 6).round(), (17, 24), how)
    assert made.min() >= 0
    assert made.max() <= 1
    with pytest.raises(ValueError, match="bicubic, bilinear"):
        enlarge(torch.zeros(1, 3, 4, 4), (8, 8), "nearest")
