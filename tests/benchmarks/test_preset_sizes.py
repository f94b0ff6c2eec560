"""The benchmark that chooses the sizes of `small`: equal latent volumes, its clock, its counts and its table."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import pytest
import torch

from benchmarks.recipe import preset_sizes
from degflow_aug.archs.generator.ncsnpp_arch import NCSNpp
from degflow_aug.archs.generator.rae_arch import ResidualAutoencoder
from degflow_aug.degradations.generator.degflow import DegFlow
from degflow_aug.fit.presets import Preset, preset


@pytest.mark.parametrize("name", preset_sizes.CANDIDATES)
def test_every_candidate_is_a_generator_with_the_same_latent_volume(name: str) -> None:
    rae, velocity = preset_sizes.CANDIDATES[name]
    with torch.device("meta"):
        network = ResidualAutoencoder(**rae)
        latent = rae.get("latent_channels", 4)
        NCSNpp(**velocity, latent_channels=latent, condition_channels=network.condition_channels)
        z, _ = network.encode(torch.empty(1, 3, 256, 256))
    assert z.numel() == 4 * 32 * 32


def test_the_preset_is_one_of_the_candidates() -> None:
    small = preset("small", "ours")

    def sizes(each: Preset) -> tuple[dict[str, Any], Mapping[str, Any]]:
        return ResidualAutoencoder(**each.rae).spec, each.velocity

    candidates = [preset_sizes.candidate(name) for name in preset_sizes.CANDIDATES]
    chosen = next(each for each in candidates if sizes(each) == sizes(small))
    assert (chosen.conditioned, chosen.stages) == (small.conditioned, small.stages)
    assert all(each.rae["anchored"] for each in candidates)
    slower = preset_sizes.candidate("base 16, full resolution", 0.5).stages["refine"]
    assert slower.lr == small.stages["refine"].lr / 2


def test_multiply_adds_are_those_of_the_convolutions() -> None:
    rae = ResidualAutoencoder(base_channels=4, unshuffle=2, multipliers=(1, 1), encoder_blocks=1, decoder_blocks=1)
    velocity = NCSNpp(base_channels=4, multipliers=(1,), blocks=1, local=True)
    generator = DegFlow(rae, velocity, solver="euler", steps=1)
    macs = 0
    for module in generator.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(
                lambda layer, inputs, output: sizes.append(output[0].numel() * layer.weight[0].numel())
            )
    sizes: list[int] = []
    generator.render(torch.zeros(1, 3, 256, 256), 4.0)
    macs = sum(sizes)
    # The convolution that joins both paths is split in two, and its hook is never called.
    join = 128 * 128 * 8 * 4
    dense = sum(layer.weight.numel() for layer in velocity.modules() if isinstance(layer, torch.nn.Linear))
    assert preset_sizes.gmac(generator) == pytest.approx((macs + join + dense) / 1e9, rel=1e-6)


def test_the_clock_counts_processor_time_and_is_put_back() -> None:
    clock = time.monotonic
    with preset_sizes.processor_clock():
        assert time.monotonic is time.process_time
    assert time.monotonic is clock


def test_the_table_has_a_column_a_scale() -> None:
    row = {"candidate": "A", "gmac": 0.716, "ms": 66.7, "iterations": 12, "psnr_y": [40.0] * 6, "mean": 40.0}
    lines = preset_sizes.table([row]).splitlines()
    assert lines[0] == "| candidate | GMAC | ms | iterations | x1.5 | x2 | x2.5 | x3 | x3.5 | x4 | mean |"
    assert lines[2] == "| A | 0.72 | 67 | 12 | " + " | ".join(["40.00"] * 7) + " |"
