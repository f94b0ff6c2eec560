"""Windows of pairs that a camera's pipeline is fitted to: detailed, aligned, and not those that show something else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from degflow_aug.degradations.fitted.kernel_estimation import Pairs
from degflow_aug.degradations.fitted.kernel_interpolation import transfer_of
from degflow_aug.degradations.fitted.view_alignment import align, ramp, tukey_weights, weighted_median

WINDOW = 192
COUNT = 28
FEWEST = 8
"""Windows of all scales together, and of a scale at least."""
CANDIDATES = 4
"""Windows of a pair and scale to choose from."""
TOLERANCE = 3.0
"""How much more than the median of windows one may keep unexplained by a linear kernel, which knows no tone curve."""
NOTICEABLE = 0.25
"""Shifts in pixels below this are left in: they are the estimate's own error."""


class Windows(NamedTuple):
    """HR and views (N, 3, P, P) in [0, 1] of one scale, and weights (N,)."""

    hr: Tensor
    views: Tensor
    weights: Tensor

    def split(self, every: int) -> tuple[Windows, Windows]:
        """Every so-manyth of them, and the others; all of them twice where there are fewer than two such."""
        chosen = torch.arange(len(self.weights)) % every == every - 1
        if int(chosen.sum()) < 2:
            return self, self
        held_out, others = (Windows(*(part[rows] for part in self)) for rows in (chosen, ~chosen))
        return held_out, others


def draw_windows(pairs: Pairs, kernels: Mapping[float, Tensor], seed: int) -> dict[float, Windows]:
    """Windows of every scale in ``kernels``.

    Of a pair and scale some places are drawn, and of all drawn those with the most detail are kept, first one a pair,
    then a second one, until there are enough. Their shift against the kernel's prediction, less the median of all,
    is taken out, and their weights are Tukey's biweight of what the kernel leaves.

    Args:
        pairs: HR images with their views; read once.
        kernels: (3, k, k) by scale.
        seed: of the places.
    """
    generator = torch.Generator().manual_seed(seed)
    count = max(FEWEST, COUNT // len(kernels))
    drawn: dict[float, list[_Candidate]] = {scale: [] for scale in kernels}
    side = WINDOW
    for hr, views in pairs:
        side = min(side, *(length - length % 2 for length in hr.shape[-2:]))
        for scale, view in views.items():
            known = min(kernels, key=lambda each, scale=scale: abs(each - scale))  # type: ignore[misc]
            if abs(known - scale) < 1e-4:
                drawn[known] += _candidates(hr, view, side, generator)
    return {scale: _aligned(found, kernels[scale], side, count) for scale, found in drawn.items()}


class _Candidate(NamedTuple):
    """A window and its view, and how many of its pair have more detail than its own."""

    rank: int
    detail: float
    hr: Tensor
    view: Tensor


def _candidates(hr: Tensor, view: Tensor, side: int, generator: torch.Generator) -> list[_Candidate]:
    """The most detailed first."""
    found = []
    for _ in range(CANDIDATES):
        top, left = (int(torch.randint(length - side + 1, (), generator=generator)) for length in hr.shape[-2:])
        x, y = (image[:, top : top + side, left : left + side].detach().float().clone() for image in (hr, view))
        found.append(_Candidate(0, float((y[..., 1:] - y[..., :-1]).square().mean()), x, y))
    found.sort(key=lambda each: -each.detail)
    return [each._replace(rank=rank) for rank, each in enumerate(found)]


def _aligned(found: list[_Candidate], kernel: Tensor, side: int, count: int) -> Windows:
    found = sorted(found, key=lambda each: (each.rank, -each.detail))[:count]
    hr = torch.stack([each.hr[:, :side, :side] for each in found])
    views = torch.stack([each.view[:, :side, :side] for each in found])
    hann = torch.hann_window(side, dtype=torch.float32, device=hr.device)
    x, y = (torch.fft.rfft2((each - each.mean((-2, -1), keepdim=True)) * hann[:, None] * hann) for each in (hr, views))
    alignment = align(x, y, transfer_of(kernel.to(hr.device), side), side)
    median = hr.new_tensor([weighted_median(alignment.shifts[:, axis], alignment.energy) for axis in (0, 1)])
    shifts = alignment.shifts - median
    shifts = torch.where(shifts.abs() < NOTICEABLE, torch.zeros_like(shifts), shifts)
    moved = torch.fft.irfft2(torch.fft.rfft2(views) * ramp(shifts, side)[:, None], s=(side, side))
    still = (shifts == 0).all(-1)[:, None, None, None]
    typical = TOLERANCE * weighted_median(alignment.residual, alignment.energy)
    weights = tukey_weights(alignment.residual, max(typical, 1e-3))
    return Windows(hr, torch.where(still, views, moved), weights)
