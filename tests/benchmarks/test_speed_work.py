"""The variants of the speed benchmark are the same generator, and each takes its piece away or adds it."""

from __future__ import annotations

import pytest
import torch
from helpers.random_networks import randomise

from benchmarks.cost import speed_work
from benchmarks.shared.generators import gaussian_kernel
from degflow_aug.archs.generator.rae_blocks import ResidualBlock, ScaledBlocks
from degflow_aug.degradations.generator.degflow import DegFlow
from degflow_aug.degradations.grid import to_lr_grid


def test_all_variants_but_one_give_the_same_lr(monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = speed_work.generator

    def random_generator(**settings: object) -> DegFlow:
        # Gates that start at zero would hide what stands behind them.
        made = fresh(**settings)
        randomise(made.rae, 1)
        randomise(made.velocity, 2)
        made.rae.decoder.refine[1].weight.data *= 0.05
        return made

    monkeypatch.setattr(speed_work, "generator", random_generator)
    hr = 0.25 + 0.5 * torch.rand(8, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    calls = speed_work.variants(hr, compiled=False)
    truth = calls[speed_work.AS_IT_IS]()
    assert (truth - hr.mean()).abs().max() > 0.05
    # The decoder adds to the HR image in place of its blurred view: without clamping LR moves by their difference.
    on_hr, kernel = calls.pop(speed_work.NOT_ANCHORED)(), gaussian_kernel((1.0, 4.0))
    moved = to_lr_grid(hr, 4.0) - to_lr_grid(kernel.render(hr, 4.0), 4.0)
    inside = ((on_hr - 0.5).abs() < 0.4) & ((truth - 0.5).abs() < 0.4)
    assert moved.abs().max() > 0.03
    assert (on_hr - truth - moved)[inside].abs().mean() < 0.2 * moved[inside].abs().mean()
    for name, call in calls.items():
        off = (call() - truth).abs().mean()
        assert off < (0.02 if name == "bf16" else 1e-5), name


def test_a_piece_is_back_after_its_call() -> None:
    blocks, forward = ScaledBlocks.blocks, ResidualBlock.forward
    seen = []
    inside = speed_work.patched(lambda: seen.append(ScaledBlocks.blocks), ScaledBlocks, "blocks", "another")
    inside()
    assert seen == ["another"]
    assert (ScaledBlocks.blocks, ResidualBlock.forward) == (blocks, forward)


def test_the_table_is_relative_to_the_generator_as_it_is() -> None:
    text = speed_work.table({speed_work.AS_IT_IS: 50.0, "bf16": 40.0})
    assert text.splitlines()[-1] == "| bf16 | 40.0 | 0.80 |"
