"""How like generated LR noise is to real: divergence of differences, variance, autocorrelation, spectrum.

Everything takes sequences of images or residuals (B, 3, h, w) in the unit of [0, 1] images, of any sizes, on a CPU or
an accelerator, and reads them once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from degflow_aug.metrics.noise_divergence import GRAY, histogram, kl_divergence, pooled

LAGS = 7


def high_pass_kld(real: Sequence[Tensor], generated: Sequence[Tensor]) -> float:
    """KL divergence, in nats, of the first differences of real LR images from those of generated ones, as 8 bits.

    Mean of both axes. Deterministic LR has differences of its own, so this is no matter of noise or none.
    """

    def differences(axis: int) -> Callable[[Tensor], Tensor]:
        return lambda image: histogram(image.clamp(0, 1).div(GRAY).round().mul(GRAY).diff(dim=axis), width=1)

    along, across = (
        kl_divergence(pooled(real, differences(axis)), pooled(generated, differences(axis))) for axis in (-1, -2)
    )
    return (along + across) / 2


def variance_by(residuals: Sequence[Tensor], keys: Sequence[Tensor], edges: Tensor) -> tuple[Tensor, Tensor]:
    """Mean square of the residuals by a key of their pixels, and how many pixels there are.

    Args:
        residuals: (B, 3, h, w).
        keys: (B, 1, h, w) each, such as the level or the contrast of the deterministic LR image.
        edges: (n + 1,) rising; keys outside are left out.

    Returns:
        (n,) mean squares, NaN where there is no pixel, and (n,) counts, float64.
    """
    bins = len(edges) - 1
    total, count = torch.zeros(bins, dtype=torch.float64), torch.zeros(bins, dtype=torch.float64)
    for residual, key in zip(residuals, keys, strict=True):
        index = torch.bucketize(key.flatten(), edges.to(key), right=True).cpu() - 1
        inside = (index >= 0) & (index < bins)
        squares = residual.double().square().mean(1).flatten().cpu()
        total.index_add_(0, index[inside], squares[inside])
        count.index_add_(0, index[inside], torch.ones_like(squares[inside]))
    return total / count, count


def log_ratio_error(real: Tensor, generated: Tensor, weights: Tensor | None = None) -> float:
    """Root mean square of 10 log10(generated / real) in dB, weighted; entries that either lacks are left out."""
    there = (real > 0) & (generated > 0)
    ratio = 10 * (generated[there] / real[there]).log10()
    share = torch.ones_like(ratio) if weights is None else weights[there]
    return float(((ratio.square() * share).sum() / share.sum()).sqrt())


def autocorrelation(residuals: Sequence[Tensor], lags: int = LAGS) -> Tensor:
    """Correlation of channels and neighbours along both axes.

    rho[a, l, c, d] = sum r_c(x) r_d(x + l e_a) / sqrt(sum r_c^2 sum r_d^2), each sum divided by its number of pixels;
    axis a 0 along rows (x), 1 along columns (y). Nothing is subtracted: a residual of 0 is perfect.

    Returns:
        (2, lags + 1, 3, 3), float64.
    """
    sums, counts = torch.zeros(2, lags + 1, 3, 3, dtype=torch.float64), torch.zeros(2, lags + 1, dtype=torch.float64)
    for residual in residuals:
        wide = residual.double()
        for axis, across in enumerate((wide, wide.mT)):
            for lag in range(lags + 1):
                here, there = across[..., : across.shape[-1] - lag], across[..., lag:]
                sums[axis, lag] += torch.einsum("bchw,bdhw->cd", here, there).cpu()
                counts[axis, lag] += here[:, 0].numel()
    covariance = sums / counts[..., None, None]
    deviation = covariance[0, 0].diagonal().sqrt()
    return covariance / (deviation[:, None] * deviation).clamp(min=1e-30)


def radial_spectrum(residuals: Sequence[Tensor], window: int = 64, bins: int = 16) -> tuple[Tensor, Tensor]:
    """Power spectral density by spatial frequency, channels pooled, from Hann windows that overlap by half (Welch).

    White noise of variance v has a density of v everywhere.

    Args:
        residuals: (B, 3, h, w), no side below ``window``.

    Returns:
        (bins,) frequencies in cycles a pixel, the centres of bins up to 1/2, and (bins,) densities, float64.

    Raises:
        ValueError: a residual smaller than the window.
    """
    power, count = torch.zeros(window, window, dtype=torch.float64), 0
    profile = torch.hann_window(window, dtype=torch.float64)
    taper = profile[:, None] * profile
    for residual in residuals:
        if min(residual.shape[-2:]) < window:
            raise ValueError(f"expected residuals of at least {window}x{window}, got {tuple(residual.shape)}")
        cut = residual.double().unfold(2, window, window // 2).unfold(3, window, window // 2)
        spectrum = torch.fft.fft2(cut * taper.to(cut.device)).abs().square().flatten(0, -3)
        power, count = power + spectrum.sum(0).cpu(), count + len(spectrum)
    density = power / (count * taper.square().sum())
    axis = torch.fft.fftfreq(window, dtype=torch.float64)
    radius = (axis[:, None].square() + axis.square()).sqrt()
    index = (radius * 2 * bins).long()
    rings = [density[index == ring].mean() for ring in range(bins)]
    return (torch.arange(bins, dtype=torch.float64) + 0.5) / (2 * bins), torch.stack(rings)


def excess_kurtosis(residuals: Sequence[Tensor]) -> float:
    """Fourth moment over the square of the second, less the 3 of a Gaussian; about 0, channels pooled."""
    count, square, fourth = pooled(
        residuals, lambda each: torch.stack([each.double().pow(order).sum() for order in (0, 2, 4)])
    )
    return float(fourth * count / square**2) - 3
