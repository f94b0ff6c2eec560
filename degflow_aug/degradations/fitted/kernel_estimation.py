"""Estimates the linear kernel that takes HR images to their views, from any number of pairs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from degflow_aug.degradations.fitted.kernel_interpolation import transfer_of
from degflow_aug.degradations.fitted.view_alignment import Alignment, align, ramp, tukey_weights, weighted_median
from degflow_aug.degradations.grid import check_scale

WINDOW = 128
SMALLEST_WINDOW = 32
RIM = 4
ROUNDS = 2

Pairs = Iterable[tuple[Tensor, dict[float, Tensor]]]
"""HR images (3, H, W) in [0, 1], each with its views (3, H, W) by scale."""


@dataclass
class KernelSums:
    """What least squares needs of the windows of one scale.

    Attributes:
        cross, power: (3, WINDOW, WINDOW // 2 + 1), sums of w conj(X) Y and w |X|^2 in double precision.
        found: how the windows were aligned, a batch an entry.
    """

    cross: Tensor
    power: Tensor
    found: list[Alignment] = field(default_factory=list)


@dataclass(frozen=True)
class Reference:
    """What windows are aligned with: transfer function of the kernel so far, and the median residual it leaves."""

    transfer: Tensor
    typical: float = math.inf


def estimate_kernels(pairs: Pairs, size: int, regularisation: float, *, robust: bool = False) -> dict[float, Tensor]:
    """Least-squares kernel of every scale that occurs in ``pairs``.

    Over windows i (Hann, mean removed, half overlapping), per channel,
    H = sum_i w_i conj(X_i) Y_i exp(i w d_i) / (sum_i w_i |X_i|^2 + r mean), with X the HR and Y the view; then the
    inverse transform, cropped, tapered at the rim and normalised. Only sums are kept.

    Plainly, d_i = 0 and w_i = 1: views that are misregistered give the kernel blurred by the spread of their shifts.
    Robustly, d_i is the window's own shift against H X_i, without the median shift of all, which is the camera's; and
    w_i is Tukey's biweight of what the kernel leaves of the window, so that a moved object or a wrong pair counts for
    nothing. H, d and w are found in turn, from the plain H, in as many further passes over the pairs.

    Args:
        pairs: HR images with their views. A view at scale 1 is HR itself and is passed over. An iterator is read into
            memory if it has to be read again.
        size: odd side of the kernels in pixels.
        regularisation: r, relative to the mean power over the frequencies.
        robust: align windows and weigh them.

    Returns:
        (3, size, size) float32 kernel of sum 1 by scale, ascending.

    Raises:
        ValueError: no pairs, a pair of unequal shapes or below 32 pixels, or a bad size.
    """
    if size % 2 == 0 or not 3 <= size < WINDOW:
        raise ValueError(f"expected an odd kernel size from 3 to {WINDOW - 1}, got {size}; 31 suits scales up to 4")
    if robust and isinstance(pairs, Iterator):
        pairs = list(pairs)
    sums = _sums(pairs, {})
    if not sums:
        raise ValueError("expected at least one pair with a view at a scale above 1, got none; name a folder of pairs")
    kernels = {scale: _kernel(each, size, regularisation) for scale, each in sums.items()}
    for _ in range(ROUNDS if robust else 0):
        references = {scale: _reference(kernels[scale], sums[scale]) for scale in sums}
        sums = _sums(pairs, references)
        kernels = {scale: _kernel(each, size, regularisation) for scale, each in sums.items()}
    return {scale: _normalised(kernels[scale]) for scale in sorted(kernels)}


def _sums(pairs: Pairs, references: dict[float, Reference]) -> dict[float, KernelSums]:
    """Sums over all windows by scale; of windows aligned with the references where there are any."""
    sums: dict[float, KernelSums] = {}
    for hr, views in pairs:
        for scale, view in views.items():
            if check_scale(scale) > 1:
                _check_pair(hr, view, scale)
                _add_pair(sums.setdefault(scale, _nothing(hr.device)), hr, view, references.get(scale))
    for each in sums.values():
        if each.found:
            # The windows have lost their whole shifts; what is common to them belongs to the kernel.
            each.cross = each.cross * ramp(-_median_shift(each.found), WINDOW).to(each.cross)
    return sums


def _add_pair(sums: KernelSums, hr: Tensor, view: Tensor, reference: Reference | None) -> None:
    for x, y in zip(_window_spectra(hr), _window_spectra(view), strict=True):
        if reference is None:
            sums.cross += (x.conj() * y).sum(0)
            sums.power += x.abs().square().sum(0)
            continue
        alignment = align(x, y, reference.transfer, WINDOW)
        weights = tukey_weights(alignment.residual, reference.typical)
        sums.found.append(alignment)
        sums.cross += (x.conj() * y * (weights[:, None, None] * ramp(alignment.shifts, WINDOW))[:, None]).sum(0)
        sums.power += (weights[:, None, None, None] * x.abs().square()).sum(0)


def _nothing(device: torch.device) -> KernelSums:
    shape = (3, WINDOW, WINDOW // 2 + 1)
    return KernelSums(
        torch.zeros(shape, dtype=torch.complex128, device=device),
        torch.zeros(shape, dtype=torch.float64, device=device),
    )


def _reference(kernel: Tensor, sums: KernelSums) -> Reference:
    """The kernel as a transfer function, and the residual that half of the windows' energy stays below."""
    transfer = transfer_of(kernel, WINDOW).to(torch.complex64)
    if not sums.found:
        return Reference(transfer)
    residual, energy = (torch.cat([getattr(each, name) for each in sums.found]) for name in ("residual", "energy"))
    return Reference(transfer, max(weighted_median(residual, energy), 1e-3))


def _median_shift(found: list[Alignment]) -> Tensor:
    """(1, 2): per axis the shift that half of the windows' energy stays below."""
    shifts, energy = torch.cat([each.shifts for each in found]), torch.cat([each.energy for each in found])
    return shifts.new_tensor([[weighted_median(shifts[:, axis], energy) for axis in (0, 1)]])


def _check_pair(hr: Tensor, view: Tensor, scale: float) -> None:
    if hr.ndim != 3 or hr.shape[0] != 3 or hr.shape != view.shape:
        raise ValueError(
            f"expected HR and its view at scale {scale:g} as (3, H, W) of one size, got {tuple(hr.shape)} and "
            f"{tuple(view.shape)}; bring the LR image to the HR grid first"
        )


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
        yield torch.fft.rfft2(windows, s=(WINDOW, WINDOW))


def _kernel(sums: KernelSums, size: int, regularisation: float) -> Tensor:
    """Kernel (3, size, size) from the summed spectra, cropped and tapered."""
    power = sums.power + regularisation * sums.power.mean((-2, -1), keepdim=True)
    shift = size // 2
    kernel = torch.fft.irfft2(sums.cross / power.clamp_min(1e-30), s=(WINDOW, WINDOW))
    kernel = kernel.roll((shift, shift), (-2, -1))[..., :size, :size]
    rim = min(RIM, size // 4)
    distance = torch.arange(size, device=kernel.device, dtype=kernel.dtype)
    distance = torch.minimum(distance, size - 1 - distance) + 1
    taper = torch.sin((distance / (rim + 1)).clamp_max(1) * (torch.pi / 2)) ** 2
    return kernel * taper[:, None] * taper


def _normalised(kernel: Tensor) -> Tensor:
    """The kernel with a sum of 1."""
    total = kernel.sum((-2, -1), keepdim=True)
    if not bool((total.abs() > 1e-3).all()):
        raise ValueError("expected pairs with some texture to fit a kernel to, got constant or unrelated images")
    return (kernel / total).float()
