"""The losses of a super-resolution network by BasicSR's option names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from basicsr.losses import build_loss
from basicsr.losses.loss_util import get_refined_artifact_map
from torch import Tensor, nn


def check_losses(train: Mapping[str, Any]) -> None:
    """Look whether the ``train`` section names losses, and all that they need.

    Raises:
        ValueError: no loss, or LDL without the EMA that it compares with.
    """
    if not any(train.get(key) for key in ("pixel_opt", "perceptual_opt", "gan_opt")):
        raise ValueError("expected train.pixel_opt or train.perceptual_opt, got neither; add a loss")
    if train.get("ldl_opt") and not train.get("ema_decay"):
        raise ValueError("expected train.ema_decay above 0 with train.ldl_opt, which compares with the EMA, got none")


class SRLosses:
    """``pixel_opt``, ``perceptual_opt`` (any loss; BasicSR's gives two) and ``ldl_opt`` of the ``train`` section."""

    def __init__(self, train: Mapping[str, Any], device: torch.device) -> None:
        """Build the losses that the section names.

        Raises:
            ValueError: as :func:`check_losses`.
        """
        check_losses(train)
        self.pixel, self.perceptual, self.ldl = (
            _build(train.get(key), device) for key in ("pixel_opt", "perceptual_opt", "ldl_opt")
        )

    def __call__(self, output: Tensor, target: Tensor, ema_output: Tensor | None = None) -> dict[str, Tensor]:
        """Losses by name, to be added up; ``ema_output`` is what the EMA makes of the same LR, for LDL."""
        losses = {}
        if self.pixel is not None:
            losses["l_pix"] = self.pixel(output, target)
        if self.ldl is not None and ema_output is not None:
            weight = get_refined_artifact_map(target, output, ema_output, 7)
            losses["l_ldl"] = self.ldl(weight * output, weight * target)
        if self.perceptual is not None:
            found = self.perceptual(output, target)
            pair = found if isinstance(found, tuple) else (found, None)
            losses |= {key: loss for key, loss in zip(("l_percep", "l_style"), pair, strict=True) if loss is not None}
        return losses


def _build(section: Mapping[str, Any] | None, device: torch.device) -> nn.Module | None:
    return build_loss(dict(section)).to(device) if section else None
