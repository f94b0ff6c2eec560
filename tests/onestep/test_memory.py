"""The estimate of memory: weights counted by hand, activations against those that a real pass keeps."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from helpers.onestep_networks import images, tiny_network

pytest.importorskip("diffusers", reason="the extra onestep is not installed")
pytest.importorskip("peft", reason="the extra onestep is not installed")

from degflow_aug.onestep.memory import MemoryEstimate, count_weights, saved_bytes
from degflow_aug.onestep.outline import estimate, sample_activations, without_weights


def test_saved_bytes_by_hand() -> None:
    weight = torch.rand(100, 100, requires_grad=True)
    image = torch.rand(50, 100, requires_grad=True)
    # Both factors, and what exp gives: the weight is not counted.
    assert saved_bytes(lambda: (image @ weight).exp(), {weight.untyped_storage()._cdata}) == 4 * (50 * 100 + 50 * 100)


@pytest.mark.parametrize("kind", ["omgsr_s", "omgsr_f"])
@pytest.mark.parametrize("side", [32, 64])
def test_activations_are_those_of_a_pass(kind: str, side: int, tiny_backbones: Path) -> None:
    network = tiny_network(kind, tiny_backbones)
    weights = {parameter.untyped_storage()._cdata for parameter in network.parameters()}
    real = saved_bytes(lambda: network(images(1, side)), weights)
    assert 0.9 * real < sample_activations(network, side) < 1.6 * real


def test_checkpointing_keeps_less(tiny_backbones: Path) -> None:
    kept = [
        sample_activations(tiny_network("omgsr_s", tiny_backbones, gradient_checkpointing=saves), 64)
        for saves in (False, True)
    ]
    assert kept[1] < kept[0] / 3


def test_the_outline_has_the_same_parameters(tiny_backbones: Path) -> None:
    network = tiny_network("fluxsr", tiny_backbones, dtype="bf16")
    made = without_weights(network)
    known = {name: (value.shape, value.dtype) for name, value in network.named_parameters()}
    assert {name: (value.shape, value.dtype) for name, value in made.named_parameters()} == known
    assert all(value.is_meta for value in made.parameters())


def test_weights_by_hand(tiny_backbones: Path) -> None:
    network = tiny_network("fluxsr", tiny_backbones)
    trained = sum(network.get_parameter(name).numel() for name in network.trained_names)
    total = sum(value.numel() for value in network.parameters())
    found = MemoryEstimate(4 * (total - trained), 8 * trained, 8 * trained)
    assert count_weights(network, 8) == estimate(network, 8, samples=0, side=32) == found
    two = estimate(network, 8, samples=2, side=32)
    assert two.total == found.total + 2 * sample_activations(network, 32)


def test_the_sentence_names_what_lowers_the_largest_part() -> None:
    gib = 2**30
    assert "dtype: bf16" in MemoryEstimate(4 * gib, gib, gib, gib).sentence()
    told = MemoryEstimate(gib, gib, gib, 3 * gib).sentence()
    assert told.startswith("memory about 6.00 GiB")
    assert "gradient_checkpointing" in told
    assert "AdamW8bit" in MemoryEstimate(0, 1, 2 * gib, 0).sentence()
