"""Sub-pixel shifts of views against a kernel's prediction, by the phase of their cross spectra, and who fits badly."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

BAND = 0.5
"""Shifts are read from frequencies up to this share of the highest; above, views hold little but noise."""
LARGEST_SHIFT = 2.0
STEPS = 5
TUKEY = 4.685


class Alignment(NamedTuple):
    """What a set of windows says about its kernel.

    Attributes:
        shifts: (N, 2) rows and columns in pixels by which each view lies behind its prediction.
        residual: (N,) share of the view's energy that the shifted prediction leaves, as an amplitude.
        energy: (N,) energy of the prediction.
    """

    shifts: Tensor
    residual: Tensor
    energy: Tensor


def align(hr: Tensor, view: Tensor, transfer: Tensor, window: int) -> Alignment:
    """The shift d_i of every window that minimises sum |Y_i - exp(-i w d_i) H X_i|^2 over frequencies and channels.

    Gauss-Newton on the cross spectrum C = conj(H X) Y: d += (sum w w^T |H X|^2)^-1 sum -w Im(C exp(i w d)).
    One shift for all channels, so that shifts between channels stay the kernel's.

    Args:
        hr, view: spectra X, Y (N, 3, window, window // 2 + 1).
        transfer: H, (3, window, window // 2 + 1).
        window: side of the windows behind the spectra.
    """
    rows, columns, share = _frequencies(window, hr.device)
    kept, reach = rows[:, 0].abs() <= BAND * math.pi, int(BAND * window) // 2 + 1
    rows, columns, share = rows[kept], columns[:, :reach], share[:, :reach]
    hr, view, transfer = (each[..., kept, :reach] for each in (hr, view, transfer))
    predicted = transfer * hr
    cross = (predicted.conj() * view).sum(1)
    power = predicted.abs().square().sum(1)
    energy = (share * power).sum((-2, -1))
    moments = [(share * power * a * b).sum((-2, -1)) for a, b in ((rows, rows), (rows, columns), (columns, columns))]
    # Where a window has no texture in some direction, that part of its shift stays 0 and does not matter.
    ridge = 1e-3 * (moments[0] + moments[2]) + 1e-12
    yy, yx, xx = moments[0] + ridge, moments[1], moments[2] + ridge
    determinant = yy * xx - yx * yx
    shifts = hr.real.new_zeros(len(hr), 2)
    for _ in range(STEPS):
        pull = share * (_ramp(shifts, rows, columns) * cross).imag
        down, right = -(rows * pull).sum((-2, -1)), -(columns * pull).sum((-2, -1))
        step = torch.stack([xx * down - yx * right, yy * right - yx * down], -1) / determinant[:, None]
        shifts = (shifts + step).clamp(-LARGEST_SHIFT, LARGEST_SHIFT)
    total = (share * view.abs().square().sum(1)).sum((-2, -1))
    explained = 2 * (share * (_ramp(shifts, rows, columns) * cross).real).sum((-2, -1)) - energy
    residual = ((total - explained).clamp_min(0) / total.clamp_min(1e-12)).sqrt()
    return Alignment(shifts, residual, energy)


def ramp(shifts: Tensor, window: int) -> Tensor:
    """exp(i w d), (N, 2) -> (N, window, window // 2 + 1): takes a shift d of (rows, columns) out of a spectrum."""
    rows, columns, _ = _frequencies(window, shifts.device)
    return _ramp(shifts, rows, columns)


def _ramp(shifts: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    down, right = shifts[:, 0, None, None] * rows, shifts[:, 1, None, None] * columns
    return torch.polar(torch.ones_like(down), down) * torch.polar(torch.ones_like(right), right)


def tukey_weights(residual: Tensor, typical: float) -> Tensor:
    """Tukey's biweight (1 - (r / c)^2)^2 of residuals (N,) >= 0, 0 beyond c = 4.685 of their deviation.

    Args:
        residual: amplitudes.
        typical: their median, which for normal residuals is deviation / 1.4826; infinite for weights of 1.
    """
    return (1 - (residual / (TUKEY * 1.4826 * typical)).clamp(max=1).square()).square()


def weighted_median(values: Tensor, weights: Tensor) -> float:
    """The value (N,) below which half of the weight (N,) lies."""
    order = values.argsort()
    reached = weights[order].cumsum(0)
    index = int(torch.searchsorted(reached, reached[-1:] / 2)[0])
    return float(values[order[min(index, len(order) - 1)]])


def _frequencies(window: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Angular frequencies of rows (window, 1) and columns (1, window // 2 + 1), and how often each column counts."""
    rows = 2 * math.pi * torch.fft.fftfreq(window, device=device)[:, None]
    columns = 2 * math.pi * torch.fft.rfftfreq(window, device=device)[None]
    share = torch.full_like(columns, 2.0)
    share[:, 0] = share[:, -1] = 1
    return rows, columns, share
