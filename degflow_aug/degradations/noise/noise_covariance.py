"""Covariances of noise that is a sum of known maps times stationary fields, by least squares of products over lags.

For r_c(x) = sum_j f_j(x) a_jc(x), with independent stationary fields a_j of covariance C_j, and at every lag d,

    E[r_c(x) r_e(x + d)] = sum_j f_j(x) f_j(x + d) C_j,ce(d),

a linear model of the products, whose sums over x are correlations and so come from a few transforms an image.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from degflow_aug.degradations.convolution import fast_length


def correlate(images: Iterable[Tensor], reach: int) -> Tensor:
    """Sums over all images of a_c(x) a_e(x + d), for the lags d of up to ``reach`` pixels in both directions.

    Args:
        images: (..., C, h, w) each.

    Returns:
        (..., C, C, L, L), float64, L = 2 reach + 1, lag 0 in the middle; 0 at lags beyond every image.
    """
    # Images of one size share the way back from their spectra.
    spectra: dict[tuple[int, int], Tensor] = {}
    for image in images:
        height, width = image.shape[-2:]
        spectrum = torch.fft.rfft2(image, s=(fast_length(height + reach), fast_length(width + reach)))
        product = spectrum.unsqueeze(-3).conj() * spectrum.unsqueeze(-4)
        spectra[height, width] = spectra.get((height, width), torch.zeros(())) + product.to(torch.complex128)
    return torch.stack([_at_lags(product, shape, reach) for shape, product in spectra.items()]).sum(0)


def _at_lags(product: Tensor, shape: tuple[int, int], reach: int) -> Tensor:
    lags = torch.arange(-reach, reach + 1)
    rows, columns = (torch.where(lags.abs() < side, lags, 0) for side in shape)
    inside = (lags.abs() < shape[0])[:, None] & (lags.abs() < shape[1])
    sums = torch.fft.irfft2(product, s=(fast_length(shape[0] + reach), fast_length(shape[1] + reach)))
    return sums[..., rows, :][..., columns] * inside


def product_sums(images: Sequence[tuple[Tensor, Tensor]], reach: int) -> tuple[Tensor, Tensor]:
    """Sums of the least squares at every lag of up to ``reach`` pixels.

    Args:
        images: maps f (J, h, w) and noise r (C, h, w).

    Returns:
        normal matrices (J, J, L, L), right sides (J, C, C, L, L), float64, L = 2 reach + 1, lag 0 in the middle.
    """
    squares = correlate(((maps[:, None] * maps)[:, :, None] for maps, _ in images), reach)
    return squares[:, :, 0, 0], correlate((maps[:, None] * noise for maps, noise in images), reach)


def solve(normal: Tensor, right: Tensor, ridge: float = 1e-4) -> Tensor:
    """Covariances (J, C, C, n, n) from the sums of :func:`product_sums`, of all lags or of cells of them.

    ``ridge`` is relative to the largest sum of each map, so that lags without pixels have no covariance.
    """
    count = normal.shape[0]
    scale = normal.diagonal().flatten(0, 1).amax(0).clamp(min=1e-30).rsqrt()
    matrices = (normal * scale[:, None, None, None] * scale[:, None, None]).permute(2, 3, 0, 1)
    sides = (right * scale[:, None, None, None, None]).permute(3, 4, 0, 1, 2).flatten(3)
    found = torch.linalg.solve(matrices + ridge * torch.eye(count, dtype=matrices.dtype), sides)
    return found.unflatten(3, right.shape[1:3]).permute(2, 3, 4, 0, 1) * scale[:, None, None, None, None]


def pool_lags(sums: Tensor, pitch: int, nodes: int, hole: int) -> Tensor:
    """Sums over lags (..., L, L) gathered with triangular weights around multiples of ``pitch``: (..., n, n).

    Args:
        nodes: n / 2: cells at lags of -n / 2 ... n / 2 - 1 times ``pitch``.
        hole: lags below it in both directions are left out: there fine noise is correlated as well.
    """
    reach = sums.shape[-1] // 2
    lags = torch.arange(-reach, reach + 1, dtype=sums.dtype)
    near = lags.abs() < hole
    kept = sums.masked_fill(near[:, None] & near, 0)
    centres = pitch * torch.arange(-nodes, nodes, dtype=sums.dtype)
    weights = (1 - (lags - centres[:, None]).abs() / pitch).clamp(min=0)
    return weights @ kept @ weights.T


def spread_lags(cells: Tensor, pitch: int, reach: int) -> Tensor:
    """Covariance at the lags of up to ``reach`` pixels, bilinear between cells (..., n, n): (..., L, L)."""
    lags = torch.arange(-reach, reach + 1, dtype=cells.dtype)
    centres = pitch * (torch.arange(cells.shape[-1], dtype=cells.dtype) - cells.shape[-1] // 2)
    weights = (1 - (lags[:, None] - centres).abs() / pitch).clamp(min=0)
    return weights @ cells @ weights.T


def crop_lags(sums: Tensor, reach: int) -> Tensor:
    """The lags of up to ``reach`` pixels out of (..., L, L)."""
    return F.pad(sums, (reach - sums.shape[-1] // 2,) * 4)
