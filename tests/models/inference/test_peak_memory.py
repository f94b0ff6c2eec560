"""Memory is that of the tensors alive together, counted on real ones and on ``meta``."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from degflow_aug.models.inference.peak_memory import PeakMemory


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_peak_is_what_is_alive_at_once(device: str) -> None:
    given = torch.zeros(1000, device=device)
    with PeakMemory() as memory:
        first = given + 1
        second = first + 1
        del first
        view = second.view(10, 100)[:5]
        third = view * 2
    assert memory.peak == 4 * 2 * 1000
    assert third.shape == (5, 100)


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_a_chain_of_convolutions_holds_input_and_output_of_one(device: str) -> None:
    network = nn.Sequential(*(nn.Conv2d(8, 8, 3, padding=1, device=device) for _ in range(5)))
    with torch.no_grad(), PeakMemory() as memory:
        network(torch.zeros(1, 8, 32, 32, device=device))
    # The input of the first is alive as well: whoever calls holds it.
    assert memory.peak == 4 * 8 * 32 * 32 * 3
