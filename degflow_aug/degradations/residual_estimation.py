"""The residual noise of a generator, estimated from its LR images beside the real ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from degflow_aug.degradations.residual_noise import ResidualNoise, local_contrast

PATCH, KERNEL, CONTRASTS = 32, 15, 12
LOWEST, HIGHEST = 0.5 / 255, 64 / 255
Pair = tuple[Tensor, Tensor]


def estimate_noise(pairs: Mapping[float, Iterable[Pair]]) -> ResidualNoise:
    """Deviation by local contrast, and correlation over neighbours and channels, at every scale of the pairs.

    Args:
        pairs: by scale, rendered and real LR images (1, 3, h, w) in [0, 1], of at least 32x32 pixels.

    Raises:
        ValueError: no pair at a scale, or images that are too small.
    """
    contrasts = LOWEST * (HIGHEST / LOWEST) ** torch.linspace(0, 1, CONTRASTS)
    found = [_estimate(list(pairs[scale]), contrasts, scale) for scale in sorted(pairs)]
    deviations, kernels = (torch.stack(tensors) for tensors in zip(*found, strict=True))
    return ResidualNoise(torch.tensor(sorted(pairs)), contrasts, deviations, kernels)


def _estimate(pairs: list[Pair], contrasts: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """Deviations (T,) and kernel (3, 3, k, k) of one scale."""
    if not pairs or min(min(lr.shape[-2:]) for lr, _ in pairs) < PATCH:
        raise ValueError(f"expected LR images of at least {PATCH}x{PATCH} pixels at x{scale:g} to learn noise from")
    residuals = [(real - lr).float().cpu() for lr, real in pairs]
    levels = [local_contrast(lr.float().cpu()) for lr, _ in pairs]
    deviations = _deviations(levels, residuals, contrasts)
    unit = ResidualNoise(torch.tensor([scale]), contrasts, deviations[None], torch.ones(1, 3, 3, 1, 1))
    normalised = [
        residual / unit.deviation(lr.float().cpu(), deviations[None])
        for (lr, _), residual in zip(pairs, residuals, strict=True)
    ]
    return deviations, _kernel(normalised)


def _deviations(levels: list[Tensor], residuals: list[Tensor], contrasts: Tensor) -> Tensor:
    """Root mean square of the residual around every contrast, each pixel shared between the two nearest."""
    level = torch.cat([each.flatten() for each in levels]).clamp(contrasts[0], contrasts[-1])
    square = torch.cat([each.square().mean(1).flatten() for each in residuals])
    upper = torch.bucketize(level, contrasts).clamp(1, len(contrasts) - 1)
    low, high = contrasts[upper - 1], contrasts[upper]
    share = (level - low) / (high - low)
    weight, total = (torch.zeros(len(contrasts), dtype=torch.float64) for _ in range(2))
    for index, part in ((upper - 1, 1 - share), (upper, share)):
        weight.index_add_(0, index, part.double())
        total.index_add_(0, index, (part * square).double())
    overall = total.sum() / weight.sum()
    # A contrast that hardly occurs says little; there the overall spread is as good as a thousandth of all pixels.
    prior = weight.sum() / 1000
    return ((total + prior * overall) / (weight + prior)).sqrt().clamp(min=1e-6).float()


def _kernel(normalised: list[Tensor]) -> Tensor:
    """The filter (3, 3, k, k) whose noise has the mean cross spectrum of the residuals: its Hermitian square root."""
    patches = torch.cat([_patches(each) for each in normalised])
    spectrum = torch.fft.fft2(patches.double())
    power = torch.einsum("nchw,ndhw->hwcd", spectrum, spectrum.conj()) / (len(patches) * PATCH**2)
    values, vectors = torch.linalg.eigh(power)
    root = (vectors * values.clamp(min=0).sqrt()[..., None, :]) @ vectors.mH
    full = torch.fft.fftshift(torch.fft.ifft2(root.permute(2, 3, 0, 1)).real, dim=(-2, -1))
    start = PATCH // 2 - KERNEL // 2
    kernel = full[..., start : start + KERNEL, start : start + KERNEL]
    return (kernel * (full.square().sum() / kernel.square().sum()).sqrt()).float()


def _patches(image: Tensor) -> Tensor:
    """(1, 3, h, w) -> (N, 3, 32, 32), side by side."""
    return image[0].unfold(1, PATCH, PATCH).unfold(2, PATCH, PATCH).permute(1, 2, 0, 3, 4).flatten(0, 1)
