"""The time whose signal-to-noise ratio is that of an LR latent, so that a one-step network starts from there.

OMGSR's precomputation [official code]: of every pair P = mean(z_H^2) and N = mean((z_L - z_H)^2), and the time whose
signal-to-noise ratio is nearest to P / N on average. FluxSR publishes no rule for its T_L; ours is the same [inferred].
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

if TYPE_CHECKING:
    from degflow_aug.models.sr.lr_source import LRBatch
    from degflow_aug.onestep.onestep_model import OneStepModel

_CLEAN = 1e-6


class LatentGap(NamedTuple):
    """Of M pairs: ``power`` (M,) of the HR latents, ``gap`` (M,), the mean square between LR and HR latents."""

    power: Tensor
    gap: Tensor


def latent_gap(hr: Tensor, lr: Tensor) -> LatentGap:
    """The gap of latents (M, C, h, w), in float64."""
    hr, lr = hr.double(), lr.double()
    return LatentGap(hr.square().mean(dim=(1, 2, 3)), (lr - hr).square().mean(dim=(1, 2, 3)))


def _unclean(pairs: LatentGap) -> LatentGap:
    """The pairs with a difference; P / N of one without would outweigh all others."""
    kept = pairs.gap > _CLEAN * pairs.power
    if not bool(kept.any()):
        raise ValueError(
            "expected LR images that differ from HR to match a time to, got none; raise the scale, or name the time"
        )
    return LatentGap(pairs.power[kept], pairs.gap[kept])


def match_step(pairs: LatentGap, alpha_bars: Tensor) -> int:
    """Step t of a noise schedule, from 1 on, with the least mean |P a_t / (1 - a_t) - P / N|.

    Args:
        pairs: see :class:`LatentGap`.
        alpha_bars: (T,), in (0, 1).

    Raises:
        ValueError: every LR latent is its HR latent.
    """
    bars = alpha_bars.double()
    ratios = bars / (1 - bars)
    ratios[0] = torch.inf
    return _nearest(_unclean(pairs), ratios)


def match_sigma_step(pairs: LatentGap, sigmas: Tensor) -> int:
    """The same for a straight path: ratios P (1 - s)^2 / s^2; a level of 0 is never taken.

    Raises:
        ValueError: as :func:`match_step`.
    """
    levels = sigmas.double()
    ratios = ((1 - levels) / levels.clamp(min=1e-12)).square()
    return _nearest(_unclean(pairs), ratios.masked_fill(levels == 0, torch.inf))


def _nearest(pairs: LatentGap, ratios: Tensor) -> int:
    distance = pairs.power[:, None] * ratios.to(pairs.power.device) - (pairs.power / pairs.gap)[:, None]
    return int(distance.abs().mean(dim=0).argmin())


def exact_sigma(gap: Tensor) -> Tensor:
    """s* = sqrt(N) / (1 + sqrt(N)), where a single pair's ratios are equal."""
    return gap.sqrt() / (1 + gap.sqrt())


def match_lr_time(pairs: LatentGap) -> float:
    """T_L of FluxSR in (0, 1): sigma* at the root mean square of all pairs' differences [inferred].

    Raises:
        ValueError: as :func:`match_step`.
    """
    return float(exact_sigma(_unclean(pairs).gap.mean()))


@torch.no_grad()
def measure_gaps(model: OneStepModel, count: int) -> LatentGap:
    """Measure the gaps between HR and LR latents of ``count`` training pairs, by the encoder as it was published."""
    encode = model.net_g.latents.encode_original
    pairs = [model.enlarged(batch) for batch in _training_pairs(model, count)]
    gaps = [latent_gap(encode(hr), encode(lr)) for lr, hr in pairs]
    return LatentGap(torch.cat([gap.power for gap in gaps]), torch.cat([gap.gap for gap in gaps]))


def _training_pairs(model: OneStepModel, count: int) -> Iterator[LRBatch]:
    """``count`` pairs, one per batch, of ``datasets.train`` and ``degradation``; the same on every rank."""
    from basicsr.data import build_dataset

    dataset = build_dataset(model.opt["datasets"]["train"])
    for number in range(count):
        # Seeds of steps that no run reaches, so that no training draw comes twice.
        seed = model.iteration_seed(2**40 + number, rank=0)
        torch.manual_seed(seed % 2**63)
        item = dataset[number % len(dataset)]
        batch = {key: torch.as_tensor(value)[None] for key, value in item.items() if not isinstance(value, str)}
        yield model.source.take(batch, seed)
