"""Estimates the linear kernel that takes HR images to their views, from any number of pairs in one pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from degflow_aug.degradations.grid import check_scale

WINDOW = 128
SMALLEST_WINDOW = 32
RIM = 4

Pairs = Iterable[tuple[Tensor, dict[float, Tensor]]]
"""HR images (3, H, W) in [0, 1], each with its views (3, H, W) by scale."""


def estimate_kernels(pairs: Pairs, size: int, regularisation: float) -> dict[float, Tensor]:
    """Least-squares kernel of every scale that occurs in ``pairs``.

    Over windows i (Hann, mean removed, half overlapping), per channel,
    H = sum_i conj(X_i) Y_i / (sum_i |X_i|^2 + r mean), with X the HR and Y the view; then the inverse transform,
    cropped, tapered at the rim and normalised. Only the sums are kept, so the pairs may be a stream.

    Args:
        pairs: HR images with their views. A view at scale 1 is HR itself and is passed over.
        size: odd side of the kernels in pixels.
        regularisation: r, relative to the mean power over the frequencies.

    Returns:
        (3, size, size) float32 kernel of sum 1 by scale, ascending.

    Raises:
        ValueError: no pairs, a pair of unequal shapes or below 32 pixels, or a bad size.
    """
    if size % 2 == 0 or not 3 <= size < WINDOW:
        raise ValueError(f"expected an odd kernel size from 3 to {WINDOW - 1}, got {size}; 31 suits scales up to 4")
    sums: dict[float, tuple[Tensor, Tensor]] = {}
    for hr, views in pairs:
        for scale, view in views.items():
            if check_scale(scale) > 1:
                cross, power = _pair_sums(hr, view, scale)
                if scale in sums:
                    cross, power = cross + sums[scale][0], power + sums[scale][1]
                sums[scale] = (cross, power)
    if not sums:
        raise ValueError("expected at least one pair with a view at a scale above 1, got none; name a folder of pairs")
    return {scale: _kernel(*sums[scale], size, regularisation) for scale in sorted(sums)}


def _pair_sums(hr: Tensor, view: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """Cross and power spectra of one pair summed over its windows, (3, WINDOW, WINDOW // 2 + 1) in double precision."""
    if hr.ndim != 3 or hr.shape[0] != 3 or hr.shape != view.shape:
        raise ValueError(
            f"expected HR and its view at scale {scale:g} as (3, H, W) of one size, got {tuple(hr.shape)} and "
            f"{tuple(view.shape)}; bring the LR image to the HR grid first"
        )
    shape = (3, WINDOW, WINDOW // 2 + 1)
    cross = torch.zeros(shape, dtype=torch.complex128, device=hr.device)
    power = torch.zeros(shape, dtype=torch.float64, device=hr.device)
    for x, y in zip(_window_spectra(hr), _window_spectra(view), strict=True):
        cross += (x.conj() * y).sum(0)
        power += x.abs().square().sum(0)
    return cross, power


def _window_spectra(image: Tensor) -> Iterator[Tensor]:
    """Spectra of the windows of (3, H, W), one row of windows at a time: (N, 3, WINDOW, WINDOW // 2 + 1).

    An image smaller than the window is cut into smaller windows, padded with zeros: all spectra share one grid.
    """
    shortest = min(image.shape[-2:])
    if shortest < SMALLEST_WINDOW:
        raise ValueError(f"expected pairs of at least {SMALLEST_WINDOW} pixels a side, got {shortest}; crop larger")
    side = min(WINDOW, 1 << (shortest.bit_length() - 1))
    hann = torch.hann_window(side, dtype=torch.float32, device=image.device)
    for top in range(0, image.shape[-2] - side + 1, side // 2):
        windows = image[:, top : top + side].float().unfold(2, side, side // 2).permute(2, 0, 1, 3)
        windows = (windows - windows.mean((-2, -1), keepdim=True)) * (hann[:, None] * hann)
        yield torch.fft.rfft2(windows, s=(WINDOW, WINDOW)).to(torch.complex128)


def _kernel(cross: Tensor, power: Tensor, size: int, regularisation: float) -> Tensor:
    """Kernel (3, size, size) of sum 1 from the summed spectra."""
    transfer = cross / (power + regularisation * power.mean((-2, -1), keepdim=True)).clamp_min(1e-30)
    shift = size // 2
    kernel = torch.fft.irfft2(transfer, s=(WINDOW, WINDOW)).roll((shift, shift), (-2, -1))[..., :size, :size]
    rim = min(RIM, size // 4)
    distance = torch.arange(size, device=kernel.device, dtype=kernel.dtype)
    distance = torch.minimum(distance, size - 1 - distance) + 1
    taper = torch.sin((distance / (rim + 1)).clamp_max(1) * (torch.pi / 2)) ** 2
    kernel = kernel * taper[:, None] * taper
    total = kernel.sum((-2, -1), keepdim=True)
    if not bool((total.abs() > 1e-3).all()):
        raise ValueError("expected pairs with some texture to fit a kernel to, got constant or unrelated images")
    return (kernel / total).float()
