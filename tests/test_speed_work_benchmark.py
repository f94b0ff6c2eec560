"""The variants of the speed benchmark are the same generator, and each takes its piece away or adds it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from random_networks import randomise

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

import speed_work

from degflow_aug.archs.rae_blocks import ResidualBlock, ScaledBlocks
from degflow_aug.degradations.degflow import DegFlow


def test_all_variants_give_the_same_lr(monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = speed_work.generator

    def random_generator(**settings: object) -> DegFlow:
        # Gates that start at zero would hide what stands behind them.
        made = fresh(**settings)
        randomise(made.rae, 1)
        randomise(made.velocity, 2)
        made.rae.decoder.refine[1].weight.data *= 0.05
        return made

    monkeypatch.setattr(speed_work, "generator", random_generator)
    hr = torch.rand(8, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    calls = speed_work.variants(hr, compiled=False)
    truth = calls[speed_work.AS_IT_IS]()
    assert (truth - hr.mean()).abs().max() > 0.05
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
