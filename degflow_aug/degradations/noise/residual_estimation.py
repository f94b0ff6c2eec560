"""Estimate residual noise from pairs of generated and real LR images: the mathematics behind ``fit/noise_fit.py``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from degflow_aug.degradations.noise.noise_covariance import (
    correlate,
    crop_lags,
    pool_lags,
    product_sums,
    solve,
    spread_lags,
)
from degflow_aug.degradations.noise.noise_fields import PITCH, derivatives, finest, kernels_of, look_up, table_sums
from degflow_aug.degradations.noise.residual_noise import ResidualNoise

SMALLEST = 32
KERNEL, FIELD = 9, 11
FINE, NODES, HOLE = 8, 8, 4
TABLE = 9, 12
CONTRASTS = torch.tensor([0.5 / 255, 64 / 255])
DISTANCE = 6
LOUDEST, STEEPEST = 8.0, 20.0
Pair = tuple[Tensor, Tensor]


def estimate_noise(pairs: Mapping[float, Iterable[Pair]]) -> ResidualNoise:
    """Deviation by level and contrast, correlation, smooth fields and tails, at every scale of the pairs.

    Args:
        pairs: by scale, rendered and real LR images (1, 3, h, w) in [0, 1], of at least 32x32 pixels.

    Raises:
        ValueError: no pair at a scale, or images that are too small.
    """
    found = [_Estimate.of(list(pairs[scale]), scale).noise() for scale in sorted(pairs)]
    parts = [torch.cat([getattr(each, name) for each in found]) for name in ("tables", "kernels", "fields", "tails")]
    return ResidualNoise(torch.tensor(sorted(pairs)), CONTRASTS, *parts)


class TooSmallError(ValueError):
    """Images that are too small to learn from."""


@dataclass(frozen=True)
class _Estimate:
    """One scale: the images, the grain that goes from them, and the residuals that this leaves."""

    scale: float
    images: list[Tensor]
    residuals: list[Tensor]
    grain: Tensor

    @classmethod
    def of(cls, pairs: list[Pair], scale: float) -> _Estimate:
        """What one scale's pairs give.

        Raises:
            TooSmallError: no pairs, or LR images that are too small.
        """
        if not pairs or min(min(lr.shape[-2:]) for lr, _ in pairs) < SMALLEST:
            raise TooSmallError(
                f"expected LR images of at least {SMALLEST}x{SMALLEST} pixels at x{scale:g} to learn noise from"
            )
        images = [lr.float().cpu() for lr, _ in pairs]
        residuals = [real.float().cpu() - lr for lr, (_, real) in zip(images, pairs, strict=True)]
        grain = _grain(images, residuals)
        kept = [
            residual + look_up(grain[None, None], image, CONTRASTS) * finest(image)
            for image, residual in zip(images, residuals, strict=True)
        ]
        return cls(scale, images, kept, grain)

    def noise(self) -> ResidualNoise:
        """The noise of this scale: tables, covariances, the tables again without the derivatives' part, then tails."""
        squares = self._table([residual.square().mean(1, keepdim=True) for residual in self.residuals])
        sharp = self._table([finest(residual).square().mean(1, keepdim=True) for residual in self.residuals])
        common = self._table(
            [(residual * _at_a_distance(residual)).mean(1, keepdim=True) for residual in self.residuals]
        )
        # Where the noise is finest, all of it counts as fine but what pixels have in common with distant ones.
        rest = squares - torch.minimum(common, 0.9 * squares)
        fine = torch.minimum(sharp / (sharp.mean(0) / rest.mean(0)).max(), rest)
        tables = torch.stack([fine, squares - fine]).sqrt()
        kernels, fields = self._filters(tables, squares)
        tables = tables * self._missing(self._assemble(tables, kernels, fields), squares).sqrt()
        tails = self._tails(self._assemble(tables, kernels, fields))
        return self._assemble(tables, kernels, fields, tails)

    def _scales(self) -> Tensor:
        return torch.tensor([self.scale])

    def _assemble(self, tables: Tensor, kernels: Tensor, fields: Tensor, tails: Tensor | None = None) -> ResidualNoise:
        tails = torch.zeros(1, 1, FIELD, FIELD) if tails is None else tails
        parts = (part[None] for part in (torch.cat([tables, self.grain[None]]), kernels, fields, tails))
        return ResidualNoise(self._scales(), CONTRASTS, *parts)

    def _missing(self, first: ResidualNoise, squares: Tensor) -> Tensor:
        """Factor (L, T) on the variance of fine noise and offset with which all terms together have ``squares``."""
        still = self._assemble(torch.zeros(2, *TABLE), first.kernels[0], first.fields[0])
        whole, slopes = (
            self._table([noise.variance(image, self._scales()).mean(1, keepdim=True) for image in self.images])
            for noise in (first, still)
        )
        return ((squares - slopes) / (whole - slopes).clamp(min=1e-12)).clamp(1 / 16, 16)

    def _table(self, values: list[Tensor]) -> Tensor:
        """Mean (L, T) of maps (1, 1, h, w) around every level and contrast, a pixel shared between the nearest."""
        sums = torch.zeros(2, *TABLE, dtype=torch.float64)
        for image, value in zip(self.images, values, strict=True):
            sums += table_sums(image, torch.cat([torch.ones_like(value), value], 1), TABLE, CONTRASTS)
        weight, total = sums
        # What hardly occurs says little. There the mean over levels is as good as a thousandth of all pixels, and
        # where a contrast is rare at every level, the mean of all.
        prior = weight.sum() / 1000
        by_contrast = (total.sum(0) + prior * total.sum() / weight.sum()) / (weight.sum(0) + prior)
        return ((total + prior * by_contrast) / (weight + prior)).clamp(min=1e-12).float()

    def _filters(self, tables: Tensor, squares: Tensor) -> tuple[Tensor, Tensor]:
        """Kernels (3, 3, k, k) and fields (4, 3, 3, m, m) beside the deviations (2, L, T)."""
        maps = [self._maps(tables, squares, index) for index in range(len(self.images))]
        normal, right = product_sums(maps, PITCH * NODES)
        pooled = [pool_lags(sums, PITCH, NODES, HOLE) for sums in (normal[1:, 1:], right[1:])]
        smooth = solve(pooled[0], pooled[1])
        fields = torch.stack([kernels_of(each, FIELD) for each in smooth])
        normal, right = crop_lags(normal, FINE)[0], crop_lags(right, FINE)[0]
        near = spread_lags(smooth, PITCH, FINE)
        # What the smooth fields leave, whichever term it comes from.
        rest = (right - (normal[1:, None, None] * near).sum(0)) / normal[0].clamp(min=1e-6)
        return kernels_of(rest[..., : 2 * FINE, : 2 * FINE], KERNEL), fields

    def _maps(self, tables: Tensor, squares: Tensor, index: int) -> tuple[Tensor, Tensor]:
        """Maps (5, h, w), fine noise first, and noise (3, h, w), in the overall deviation.

        Extremes are clipped: a few pixels must not outweigh all others.
        """
        image, residual = self.images[index], self.residuals[index]
        found = look_up(torch.cat([squares.sqrt()[None], tables])[None], image, CONTRASTS)
        spread, deviations = found[:, :1], found[:, 1:]
        slopes = (derivatives(image) / spread).clamp(-STEEPEST, STEEPEST)
        return torch.cat([deviations / spread, slopes], 1)[0], (residual / spread).clamp(-LOUDEST, LOUDEST)[0]

    def _tails(self, whole: ResidualNoise) -> Tensor:
        """Filter (1, 1, m, m) of the logarithm u of the scale.

        With z = exp(u) g, g Gaussian of correlation rho and u of covariance k, E[exp(2 u)] = 1,
        E[z^2(x) z^2(x + d)] = exp(4 k(d)) (1 + 2 rho(d)^2).
        """
        noise = [self._unit_noise(whole, index)[:, None] for index in range(len(self.images))]
        kinds = (torch.stack([torch.ones_like(z), z, z.square()]) for z in noise)
        sums = correlate(kinds, PITCH * NODES).sum((1, 2, 3))
        power = (sums[1].max() / sums[0].max()).clamp(min=1e-12)
        count, first, second = pool_lags(sums, PITCH, NODES, HOLE)
        rho, peaks = (part / count.clamp(min=0.5) for part in (first / power, second / power.square()))
        return kernels_of(((peaks / (1 + 2 * rho.square())).clamp(min=1).log() / 4)[None, None], FIELD)

    def _unit_noise(self, whole: ResidualNoise, index: int) -> Tensor:
        """Noise (3, h, w) in the deviations that are expected of it, outliers clipped."""
        residual, image = self.residuals[index], self.images[index]
        expected = whole.variance(image, self._scales()).clamp(min=1e-12).sqrt()
        return (residual / expected).clamp(-LOUDEST, LOUDEST)[0]


def _at_a_distance(residual: Tensor) -> Tensor:
    """Mean of the four pixels at a distance where the fine noise is no longer correlated, as many as there are."""
    cross = torch.zeros(2 * DISTANCE + 1, 2 * DISTANCE + 1)
    cross[DISTANCE, :: 2 * DISTANCE] = cross[:: 2 * DISTANCE, DISTANCE] = 1
    both = torch.cat([residual, torch.ones_like(residual[:, :1])], 1).transpose(0, 1)
    sums = F.conv2d(both, cross[None, None], padding=DISTANCE).transpose(0, 1)
    return sums[:, :-1] / sums[:, -1:]


def _grain(images: list[Tensor], residuals: list[Tensor]) -> Tensor:
    """Share (L, T) of the finest detail that the residual takes away: least squares around each level and contrast."""
    sums = torch.zeros(2, *TABLE, dtype=torch.float64)
    for image, residual in zip(images, residuals, strict=True):
        detail = finest(image)
        products = torch.stack([detail.square().mean(1), -(residual * detail).mean(1)], 1)
        sums += table_sums(image, products, TABLE, CONTRASTS)
    power, lost = sums
    by_contrast = lost.sum(0) / power.sum(0).clamp(min=1e-12)
    prior = 0.1 * power.mean(0) + 1e-12
    return ((lost + prior * by_contrast) / (power + prior)).clamp(0, 1).float()
