"""Losses by BasicSR's names: which there are, what they are, and what they need."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from helpers.tiny_sr import L1, TextureLoss, register

pytest.importorskip("basicsr", reason="losses are BasicSR's")
register()

from degflow_aug.models.sr.sr_losses import SRLosses, check_losses  # noqa: E402

CPU = torch.device("cpu")


def pair() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    output, target, average = torch.rand(3, 2, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    return output, target, average


def test_each_loss_has_its_name_and_value() -> None:
    output, target, _ = pair()
    train: dict[str, Any] = {"pixel_opt": {**L1, "loss_weight": 0.5}, "perceptual_opt": {"type": "TextureLoss"}}
    found = SRLosses(train, CPU)(output, target)
    percep, style = TextureLoss()(output, target)
    assert found.keys() == {"l_pix", "l_percep", "l_style"}
    assert torch.allclose(found["l_pix"], 0.5 * (output - target).abs().mean())
    assert torch.equal(found["l_percep"], percep)  # type: ignore[arg-type]
    assert torch.equal(found["l_style"], style)  # type: ignore[arg-type]
    # BasicSR's build_loss takes the type out of the section it is given.
    assert train["pixel_opt"]["type"] == "L1Loss"


def test_a_part_that_is_switched_off_is_no_loss() -> None:
    output, target, _ = pair()
    train = {"perceptual_opt": {"type": "TextureLoss", "style_weight": 0}}
    assert SRLosses(train, CPU)(output, target).keys() == {"l_percep"}


def test_a_perceptual_loss_may_be_one_number() -> None:
    output, target, _ = pair()
    found = SRLosses({"perceptual_opt": {"type": "MSELoss"}}, CPU)(output, target)
    assert found.keys() == {"l_percep"}
    assert torch.allclose(found["l_percep"], ((output - target) ** 2).mean())


def test_ldl_weighs_only_where_the_network_is_further_off_than_its_ema() -> None:
    output, target, average = pair()
    losses = SRLosses({"pixel_opt": L1, "ldl_opt": L1, "ema_decay": 0.9}, CPU)
    assert float(losses(output, target, target)["l_ldl"]) > 0
    assert float(losses(target, target, average)["l_ldl"]) == 0
    assert "l_ldl" not in losses(output, target)


@pytest.mark.parametrize(
    ("train", "sentence"),
    [
        ({}, "train.pixel_opt or train.perceptual_opt, got neither"),
        ({"pixel_opt": None, "ldl_opt": L1}, "got neither"),
        ({"pixel_opt": L1, "ldl_opt": L1}, "train.ema_decay above 0 with train.ldl_opt"),
        ({"pixel_opt": L1, "ldl_opt": L1, "ema_decay": 0}, "train.ema_decay above 0"),
    ],
)
def test_what_is_missing_is_named(train: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        check_losses(train)
    with pytest.raises(ValueError, match=sentence):
        SRLosses(train, CPU)
